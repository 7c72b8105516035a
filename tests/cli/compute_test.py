"""`run` and `grad` on the fixtures against what PyTorch computed (tests/fixtures/README.md)."""

import npz
from headrace import FIXTURES, HeadraceTest

MODELS = sorted(path.stem for path in FIXTURES.glob("*.onnx"))
# The networks whose outputs are not those of training when they run as exported.
INFERENCE = {"resnet_eval.dynamo"}
GRADIENT_TOLERANCE = 1e-4  # relative, Frobenius


class Compute(HeadraceTest):
    def write_batch(self, model, targets):
        """The fixture's batch under the model's names; returns all of the fixture."""
        fixture = npz.read(FIXTURES / f"{model}.npz")
        batch = {}
        for key, (shape, values) in fixture.items():
            if key.startswith("input:"):
                descr = "<f4" if isinstance(values[0], float) else "<i8"
                batch[key.removeprefix("input:")] = (descr, shape, values)
        if targets:
            batch["target"] = ("<i8", *fixture["target"])
        npz.write(self.folder / "batch.npz", batch)
        return fixture

    def gradients(self, model, *options):
        fixture = self.write_batch(model, targets=True)
        report = self.json("grad", FIXTURES / f"{model}.onnx", "--inputs", "batch.npz", "--outputs",
                           "gradients.npz", "--loss", "cross-entropy:logits:target", *options)
        found = npz.read(self.folder / "gradients.npz")
        self.assertEqual(report["parameters"], len(found) - 1)
        self.assertAlmostEqual(report["loss"], fixture["loss"][1][0], delta=1e-4 * report["loss"])
        return fixture, found

    def check_gradients(self, fixture, found):
        expected = {key: value for key, value in fixture.items() if key.startswith("grad:")}
        self.assertEqual(found.keys() - {"loss"}, expected.keys())
        for name, (shape, values) in expected.items():
            self.assertEqual(found[name][0], shape, name)
            self.assertLess(npz.relative_error(found[name][1], values), GRADIENT_TOLERANCE, name)

    def test_outputs(self):
        self.assertGreaterEqual(len(MODELS), 13)
        for model in MODELS:
            with self.subTest(model):
                fixture = self.write_batch(model, targets=False)
                self.succeed("run", FIXTURES / f"{model}.onnx", "--inputs", "batch.npz",
                             "--outputs", "out.npz")
                shape, logits = npz.read(self.folder / "out.npz")["logits"]
                expected = fixture["eval_logits" if model in INFERENCE else "logits"]
                self.assertEqual(shape, expected[0])
                self.assertLess(npz.relative_error(logits, expected[1]), 1e-5)

    def test_gradients(self):
        for model in MODELS:
            with self.subTest(model):
                self.check_gradients(*self.gradients(model, "--untie", "none"))

    def test_gradients_over_stages_and_micro_batches(self):
        for model, microbatches in ("mlp.dynamo", 3), ("gpt_tied.legacy", 3), ("lenet.legacy", 2):
            with self.subTest(model):
                self.check_gradients(*self.gradients(
                    model, "--untie", "none", "--devices", "cpu:2", "--stages-per-device", 2,
                    "--microbatches", microbatches, "--threads-per-device", 1))

    def test_outputs_are_listed(self):
        self.write_batch("mlp.dynamo", targets=False)
        report = self.json("run", FIXTURES / "mlp.dynamo.onnx", "--inputs", "batch.npz",
                           "--outputs", "out.npz")
        self.assertEqual(report, {"outputs": {"logits": "f32[6, 5]"}, "file": "out.npz"})
