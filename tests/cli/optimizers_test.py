"""Every --optimizer, step by step: written out in Python from the gradients that `grad` gives."""

import math

import npz
from datasets import write_mlp_data
from headrace import FIXTURES, HeadraceTest

MLP = FIXTURES / "mlp.dynamo.onnx"
LOSS = ("--loss", "cross-entropy:logits:target")
SAMPLES, RATE, STEPS = 16, 0.05, 3


def sgd(p, g, state, step):
    state[:] = g if step == 0 else [0.9 * b + x for b, x in zip(state, g)]
    return [x - RATE * b for x, b in zip(p, state)]


def adamw(p, g, state, step):
    return moments_step(p, g, state, step, epsilon=1e-8, decay=0.1, scaled=False)


def lamb(p, g, state, step):
    return moments_step(p, g, state, step, epsilon=1e-6, decay=0.1, scaled=True)


def moments_step(p, g, state, step, epsilon, decay, scaled):
    old = state or [(0.0, 0.0)] * len(p)
    state[:] = [(0.9 * m + 0.1 * x, 0.999 * v + 0.001 * x * x) for (m, v), x in zip(old, g)]
    direction = [m / (1 - 0.9 ** (step + 1)) / (math.sqrt(v / (1 - 0.999 ** (step + 1))) + epsilon)
                 + decay * x for (m, v), x in zip(state, p)]
    ratio = 1
    if scaled and any(p) and any(direction):
        ratio = math.hypot(*p) / math.hypot(*direction)
    return [x - RATE * ratio * d for x, d in zip(p, direction)]


def lion(p, g, state, step):
    old = state or [0.0] * len(p)
    signs = [math.copysign(1, c) if c else 0
             for c in (0.9 * m + 0.1 * x for m, x in zip(old, g))]
    state[:] = [0.99 * m + 0.01 * x for m, x in zip(old, g)]
    return [x - RATE * (s + 0.1 * x) for x, s in zip(p, signs)]


def rmsprop(p, g, state, step):
    old = state or [(0.0, 0.0)] * len(p)
    squares = [0.99 * v + 0.01 * x * x for (v, _), x in zip(old, g)]
    state[:] = [(v, 0.5 * b + x / (math.sqrt(v) + 1e-8))
                for (_, b), x, v in zip(old, g, squares)]
    return [x - RATE * b for x, (_, b) in zip(p, state)]


def adagrad(p, g, state, step):
    state[:] = [s + x * x for s, x in zip(state or [0.0] * len(p), g)]
    return [x - RATE * y / (math.sqrt(s) + 1e-10) for x, y, s in zip(p, g, state)]


OPTIMIZERS = {
    "sgd": (sgd, ("--momentum", 0.9)),
    "adamw": (adamw, ("--weight-decay", 0.1)),
    "lamb": (lamb, ("--weight-decay", 0.1)),
    "lion": (lion, ("--weight-decay", 0.1)),
    "rmsprop": (rmsprop, ("--momentum", 0.5)),
    "adagrad": (adagrad, ()),
}


class Optimizers(HeadraceTest):
    def setUp(self):
        super().setUp()
        write_mlp_data(self.folder / "data.npz", SAMPLES)

    def options(self, name):
        return ("--optimizer", name, *OPTIMIZERS[name][1], "--lr", RATE, *LOSS, "--data",
                "data.npz", "--batch", SAMPLES, "--threads-per-device", 1)

    def gradients(self, model):
        self.succeed("grad", model, "--inputs", "data.npz", "--outputs", "gradients.npz", *LOSS)
        found = npz.read(self.folder / "gradients.npz")
        return {name.removeprefix("grad:"): values for name, (_, values) in found.items()
                if name.startswith("grad:")}

    def test_steps_as_written_out(self):
        for name, (update, _) in OPTIMIZERS.items():
            self.json("train", MLP, *self.options(name), "--steps", 0, "--dump-weights",
                      "weights.npz", "--output", "trained.onnx")
            expected = {key: values for key, (_, values)
                        in npz.read(self.folder / "weights.npz").items()}
            states = {key: [] for key in expected}
            for step in range(STEPS):
                gradients = self.gradients("trained.onnx")
                expected = {key: update(p, gradients[key], states[key], step)
                            for key, p in expected.items()}
                self.json("train", MLP, *self.options(name), "--steps", step + 1, "--dump-weights",
                          "weights.npz", "--output", "trained.onnx")
            found = npz.read(self.folder / "weights.npz")
            for key, values in expected.items():
                with self.subTest(optimizer=name, weight=key):
                    self.assertLess(npz.relative_error(found[key][1], values), 1e-5)

    def test_schedules_and_checkpoints_change_nothing(self):
        for name in OPTIMIZERS:
            with self.subTest(optimizer=name):
                options = ("train", MLP, *self.options(name), "--microbatches", 4, "--lr", 0.002)
                whole = self.json(*options, "--steps", 6)
                checkpoint = ("--checkpoint", name)
                self.json(*options, *checkpoint, "--steps", 4)
                resumed = self.json(*options, *checkpoint, "--steps", 6, "--resume", "--devices",
                                    "cpu:2", "--stages-per-device", 2)
                self.assertEqual(resumed["weights_sha256"], whole["weights_sha256"])
                self.assertLess(whole["losses"][-1], whole["losses"][0])

    def test_settings_of_other_optimizers_are_refused(self):
        options = ("train", MLP, "--data", "data.npz", *LOSS, "--batch", SAMPLES, "--optimizer")
        self.assertIn("adagrad has no beta1", self.refuse(*options, "adagrad", "--beta1", 0.8))
        self.assertIn("lion has no momentum", self.refuse(*options, "lion", "--momentum", 0.8))
        self.assertIn("the nearest is adagrad", self.refuse(*options, "adagrd"))
