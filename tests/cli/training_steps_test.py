"""Models that describe their own training step (ONNX's training_info), against the runs that
fixtures/make_training_steps.py wrote out in numpy and PyTorch."""

import npz
from headrace import FIXTURES, HeadraceTest

FOLDER = FIXTURES / "training_steps"
DATA = ("--batch", 8, "--no-shuffle", "--threads-per-device", 1)


class TrainingSteps(HeadraceTest):
    def train(self, name, *options, model=None):
        return ("train", model or FOLDER / f"{name}.onnx", "--data", FOLDER / f"{name}.npz", *DATA,
                "--dump-weights", "weights.npz", "--output", "trained.onnx", *options)

    def follow(self, name, *options):
        """Six steps; every loss and every tensor in the end is as written out."""
        expected = npz.read(FOLDER / f"{name}.npz")
        report = self.json(*self.train(name, "--steps", 6, *options))
        self.assertLess(npz.relative_error(report["losses"], expected["losses"][1]), 1e-5)
        final = npz.read(self.folder / "weights.npz")
        names = {key.removeprefix("final:") for key in expected if key.startswith("final:")}
        self.assertEqual(set(final), names)
        for tensor in names:
            shape, values = expected["final:" + tensor]
            self.assertEqual(final[tensor][0], shape)
            self.assertLess(npz.relative_error(final[tensor][1], values), 1e-5, tensor)
        return report

    def test_adam(self):
        self.follow("adam")
        self.follow("adam", "--microbatches", 4, "--devices", "cpu:2")

    def test_graph_call_with_the_rate_as_an_input(self):
        self.follow("nesterov_call", "--lr", 0.1)
        self.follow("nesterov_call", "--lr", 0.1, "--microbatches", 2, "--devices", "cpu:2",
                    "--scheduler", "1f1b")

    def test_update_written_out_in_plain_arithmetic(self):
        self.follow("written_out", "--microbatches", 2)

    def test_the_plan_counts_the_states_of_its_update(self):
        for stage in self.json("plan", FOLDER / "adam.onnx", "--batch", 8)["stages"]:
            self.assertEqual(stage["optimizer_bytes"], 2 * stage["parameter_bytes"])

    def test_same_weights_from_every_schedule(self):
        arrangements = ([], ["--devices", "cpu:2"], ["--devices", "cpu:2", "--scheduler", "gpipe"])
        found = {self.json(*self.train("adam", "--steps", 3, "--microbatches", 2, *arrangement))
                 ["weights_sha256"] for arrangement in arrangements}
        self.assertEqual(len(found), 1)

    def test_update_of_all_gradients_together_wants_one_device(self):
        done = self.call(*self.train("written_out", "--devices", "cpu:2", "--microbatches", 2))
        self.assertEqual(done.returncode, 2)
        self.assertIn("is on another device; train on one device", done.stderr)

    def test_the_written_model_goes_on(self):
        self.json(*self.train("adam", "--steps", 2))
        self.json(*self.train("adam", "--steps", 0, model="trained.onnx"), "--dump-weights",
                  "again.npz")
        self.json(*self.train("adam", "--steps", 2))
        whole = npz.read(self.folder / "weights.npz")
        self.assertEqual(whole, npz.read(self.folder / "again.npz"))
        self.assertEqual(whole["updates"], ((), [3]))

    def test_initialization_is_left_out_when_asked(self):
        self.json(*self.train("written_out", "--steps", 2))
        rate = npz.read(self.folder / "weights.npz")["rate"][1][0]
        self.assertAlmostEqual(rate, 0.81, 5)
        again = self.train("written_out", "--steps", 0, model="trained.onnx")
        for options, expected in ((("--no-initialization",), rate), ((), 1)):
            self.json(*again, *options)
            self.assertEqual(npz.read(self.folder / "weights.npz")["rate"][1][0], expected)

    def test_resumes(self):
        whole = self.json(*self.train("adam", "--steps", 5))
        self.json(*self.train("adam", "--steps", 2, "--checkpoint", "kept"))
        resumed = self.json(*self.train("adam", "--steps", 5, "--checkpoint", "kept", "--resume"))
        self.assertEqual(resumed["weights_sha256"], whole["weights_sha256"])
        self.assertEqual(resumed["losses"], whole["losses"][2:])

    def test_options_without_a_say(self):
        for options in (["--optimizer", "adamw"], ["--clip-norm", 1], ["--lr", 0.5]):
            self.assertIn("its training_info brings its own loss and optimizer",
                          self.refuse(*self.train("adam", *options)))
        self.assertIn("--freeze has no say in it", self.refuse(*self.train("adam", "--freeze", "*")))

    def test_a_loss_given_trains_the_model_apart_from_that(self):
        report = self.json(*self.train("adam", "--loss", "cross-entropy", "--steps", 3,
                                       "--optimizer", "sgd", "--lr", 0.1))
        self.assertEqual(len(report["losses"]), 3)
        self.assertNotIn("updates", npz.read(self.folder / "weights.npz"))
