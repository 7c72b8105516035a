"""`bench`: every scheduler on this machine, measured beside predicted."""

from headrace import FIXTURES, HeadraceTest

MLP = FIXTURES / "mlp.dynamo.onnx"
BENCH = ("bench", MLP, "--batch", 16, "--microbatches", 4, "--loss", "cross-entropy", "--devices",
         "cpu:2", "--threads-per-device", 1, "--measured-steps", 2)


class Bench(HeadraceTest):
    def test_every_scheduler_reaches_the_same_weights(self):
        bench = self.json(*BENCH, "--optimizer", "adamw")
        self.assertTrue(bench["same_weights"])
        self.assertEqual((bench["devices"], bench["microbatches"]), (2, 4))
        ran = {row["scheduler"]: row for row in bench["schedulers"] if "refused" not in row}
        self.assertLessEqual({"gpipe", "1f1b", "breadth-first", "interleaved", "zb-h1", "zb-h2", "zb-v",
                              "dualpipe-v"}, set(ran))
        self.assertEqual((ran["1f1b"]["stages_per_device"], ran["zb-v"]["stages_per_device"]), (1, 2))
        for row in ran.values():
            self.assertEqual(row["weights_sha256"], bench["weights_sha256"])
            self.assertGreater(row["step_s"], 0)
            self.assertGreater(row["step_s_predicted"], 0)
            for name in ("bubble", "predicted_bubble"):
                self.assertTrue(0 <= row[name] < 1, row)
            self.assertEqual(len(row["peak_bytes"]), 2)
            self.assertEqual(len(row["predicted_peak_bytes"]), 2)
        for row in bench["schedulers"]:
            if "refused" in row:
                self.assertNotIn("\n", row["refused"])

    def test_a_list_in_its_order(self):
        bench = self.json(*BENCH, "--schedulers", "zb-h1,1f1b")
        self.assertEqual([row["scheduler"] for row in bench["schedulers"]], ["zb-h1", "1f1b"])

    def test_partitioners_and_microbatches(self):
        bench = self.json(*BENCH, "--schedulers", "1f1b", "--partitioners", "uniform,schedule-aware",
                          "--try-microbatches", "4,2")
        rows = bench["schedulers"]
        self.assertEqual([(row["microbatches"], row["partitioner"]) for row in rows],
                         [(2, "uniform"), (2, "schedule-aware"), (4, "uniform"), (4, "schedule-aware")])
        self.assertTrue(bench["same_weights"])
        self.assertEqual(rows[0]["weights_sha256"], rows[1]["weights_sha256"])
        self.assertEqual(rows[2]["weights_sha256"], rows[3]["weights_sha256"])

    def test_text(self):
        text = self.succeed(*BENCH, "--schedulers", "gpipe,1f1b").stdout
        self.assertRegex(text, r"\n1f1b +balanced +4 +1 +[\d.]+ [mu]s +[\d.]+ [mu]s +[\d.]+ % +[\d.]+ % .*same\n")
        self.assertRegex(text, r"bit for bit: sha256 [0-9a-f]{64}\n\Z")

    def test_unknown_scheduler_is_refused(self):
        self.assertIn("'1f1b'", self.refuse(*BENCH, "--schedulers", "gpipe,1f1bb"))
