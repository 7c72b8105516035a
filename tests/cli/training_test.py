"""`train` on a small network: its report, its files, and equal weights whatever the schedule."""

import json

import npz
from datasets import write_mlp_data
from headrace import FIXTURES, HeadraceTest

MLP = FIXTURES / "mlp.dynamo.onnx"


class Training(HeadraceTest):
    def setUp(self):
        super().setUp()
        write_mlp_data(self.folder / "data.npz", 64)
        self.options = ("train", MLP, "--data", "data.npz", "--loss", "cross-entropy", "--batch",
                        16, "--microbatches", 4, "--optimizer", "adamw", "--lr", 0.01, "--steps", 5,
                        "--threads-per-device", 1)

    def test_report_and_files(self):
        report = self.json(*self.options, "--eval", "data.npz", "--log", "log.jsonl", "--trace",
                           "trace.json", "--dump-weights", "weights.npz", "--devices", "cpu:2")
        self.assertEqual((report["steps"], report["samples"]), (5, 80))
        self.assertEqual(len(report["losses"]), 5)
        self.assertEqual(report["final_loss"], report["losses"][-1])
        self.assertEqual((report["devices"], report["stages"], report["microbatches"]), (2, 2, 4))
        self.assertEqual((report["scheduler"], report["partitioner"]),
                         ("breadth-first", "balanced"))
        self.assertRegex(report["weights_sha256"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual(len(report["peak_bytes"]), 2)
        self.assertEqual(len(report["predicted_peak_bytes"]), 2)
        self.assertTrue(0 <= report["eval"]["accuracy"] <= 1)
        self.assertEqual(report["eval"]["samples"], 64)
        self.assertEqual(report["output"], "mlp.dynamo-trained.onnx")

        log = [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in log], [1, 2, 3, 4, 5])
        self.assertTrue(json.loads((self.folder / "trace.json").read_text()))
        self.assertEqual(len(npz.read(self.folder / "weights.npz")), 6)

    def test_learns(self):
        report = self.json(*self.options, "--steps", 100, "--eval", "data.npz")
        self.assertLess(report["eval"]["loss"], 0.5 * report["losses"][0])
        self.assertGreater(report["eval"]["accuracy"], 0.8)

    def test_trained_model_is_what_was_trained(self):
        self.json(*self.options, "--steps", 20, "--dump-weights", "weights.npz", "--output",
                  "trained.onnx")
        again = self.json("train", "trained.onnx", *self.options[2:], "--steps", 0,
                          "--dump-weights", "again.npz")
        self.assertEqual(again["steps"], 0)
        self.assertEqual(npz.read(self.folder / "weights.npz"), npz.read(self.folder / "again.npz"))

    def test_nothing_to_train(self):
        self.assertIn("nothing to train: --freeze keeps all of its 6 weights as they are",
                      self.refuse(*self.options, "--freeze", "*"))

    def test_text_ends_with_the_model(self):
        done = self.succeed(*self.options, "--eval", "data.npz")
        self.assertRegex(done.stdout, r"(?m)^epoch \d: loss [\d.]+, accuracy [\d.]+ % on 64 samples$")
        self.assertTrue(done.stdout.endswith("\ntrained model: mlp.dynamo-trained.onnx\n"))

    def test_same_weights_from_every_schedule(self):
        arrangements = ([], ["--devices", "cpu:2", "--stages-per-device", 2],
                        ["--devices", "cpu:2", "--scheduler", "1f1b"],
                        ["--devices", "cpu:3", "--scheduler", "gpipe", "--partitioner", "uniform"])
        weights = {self.json(*self.options, *more)["weights_sha256"] for more in arrangements}
        self.assertEqual(len(weights), 1)

    def test_replicas(self):
        two = [self.json(*self.options, "--microbatches", 2, "--data-parallel", 2, *more)
               for more in (["--devices", "cpu:2"],
                            ["--devices", "cpu:4", "--stages-per-device", 2, "--report", "r.html"])]
        self.assertEqual(two[0]["weights_sha256"], two[1]["weights_sha256"])
        self.assertEqual(two[0]["losses"], two[1]["losses"])
        self.assertEqual([(r["devices"], r["replicas"], r["stages"], r["microbatches"])
                          for r in two], [(2, 2, 1, 2), (4, 2, 4, 2)])
        self.assertEqual(len(two[1]["peak_bytes"]), 4)
        self.assertEqual(len(two[1]["predicted_peak_bytes"]), 4)
        # The same samples in the same micro-batches: sums in another order are all that differs.
        one = self.json(*self.options, "--devices", "cpu:1")
        for mine, other in zip(one["losses"], two[0]["losses"]):
            self.assertAlmostEqual(mine, other, places=5)

    def test_replicas_evaluate_what_one_does(self):
        untrained = [self.json(*self.options, "--steps", 0, "--batch", 24, "--eval", "data.npz", *more)
                     for more in (["--microbatches", 4],
                                  ["--microbatches", 2, "--data-parallel", 2, "--devices", "cpu:2"])]
        one, two = (report["eval"] for report in untrained)
        self.assertEqual((one["samples"], one["accuracy"]), (two["samples"], two["accuracy"]))
        self.assertAlmostEqual(one["loss"], two["loss"], places=6)

    def test_replicas_that_do_not_fit(self):
        for more, text in ((("--devices", "cpu:3"), "3 devices cannot be shared out evenly"),
                           (("--devices", "cpu:2", "--batch", 12, "--microbatches", 4),
                            "--batch 12 is not divisible by --microbatches 4 times "
                            "--data-parallel 2")):
            self.assertIn(text, self.refuse(*self.options, "--data-parallel", 2, *more))

    def test_options_reach_the_training(self):
        plain = self.json(*self.options)["weights_sha256"]
        for more in (["--seed", 2], ["--no-shuffle"], ["--lr", 0.02], ["--weight-decay", 0.5],
                     ["--warmup-steps", 3], ["--lr-schedule", "cosine"], ["--clip-norm", 0.01],
                     ["--lr-schedule", "step", "--lr-every", 2, "--lr-factor", 0.5],
                     ["--beta1", 0.5], ["--beta2", 0.5], ["--epsilon", 0.1],
                     ["--optimizer", "sgd"], ["--freeze", "*bias"]):
            with self.subTest(more):
                self.assertNotEqual(self.json(*self.options, *more)["weights_sha256"], plain)

    def test_options_of_sgd_reach_the_training(self):
        options = (*self.options, "--optimizer", "sgd")
        weights = [self.json(*options, *more)["weights_sha256"]
                   for more in ([], ["--momentum", 0.9], ["--momentum", 0.9, "--nesterov"])]
        self.assertEqual(len(set(weights)), 3)

    def test_losses_are_summed_by_their_weights(self):
        def losses(*weights):
            options = [o for o in self.options if o not in ("--loss", "cross-entropy")]
            for weight in weights:
                options += ["--loss", f"cross-entropy:logits:target*{weight}"]
            return self.json(*options, "--steps", 1)["losses"][0]

        self.assertAlmostEqual(losses(0.5, 0.25), 0.75 * losses(1), places=6)

    def test_external_data_goes_beside_the_model(self):
        self.json(*self.options, "--external-data", "--output", "trained.onnx")
        files = sorted(path.name for path in self.folder.glob("trained.onnx*"))
        self.assertGreater(len(files), 1)

    def test_epochs_and_steps_exclude_each_other(self):
        self.assertIn("exclude", self.refuse(*self.options, "--epochs", 1))

    def test_labels_outside_the_classes_are_refused(self):
        npz.write(self.folder / "bad.npz", {"x": ("<f4", (16, 16), [0.0] * 256),
                                            "target": ("<i8", (16,), [5] * 16)})
        self.assertIn("bad.npz", self.refuse(*self.options, "--data", "bad.npz"))
