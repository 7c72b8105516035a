"""`tune`: the best plan by simulation, and a run file of it."""

from headrace import FIXTURES, MODELS, HeadraceTest

MLP = FIXTURES / "mlp.dynamo.onnx"
MODEL = (MLP, "--batch", 16, "--loss", "cross-entropy", "--devices", "cpu:2",
         "--threads-per-device", 1)
TUNE = ("tune", *MODEL, "--schedulers", "gpipe,1f1b,breadth-first,zb-v", "--try-microbatches", "4,8")


class Tune(HeadraceTest):
    def test_finds_the_best_of_all_plans(self):
        found = self.json(*TUNE, "--partitioners", "uniform,balanced", "--top", 100)
        best = found["best"]
        steps = [row["step_s_predicted"] for row in best]
        self.assertEqual(steps, sorted(steps))
        self.assertEqual({row["microbatches"] for row in best}, {4, 8})
        self.assertLessEqual(len(best), found["predicted"])
        # zb-v takes two stages per device, 1f1b one: each was tried with others and refused there.
        self.assertEqual({(row["scheduler"], row["stages_per_device"]) for row in best
                          if row["scheduler"] in ("zb-v", "1f1b")}, {("zb-v", 2), ("1f1b", 1)})
        self.assertGreater(found["refused"], 0)
        for row in best:
            plan = self.json("plan", *MODEL, "--microbatches", row["microbatches"], "--scheduler",
                             row["scheduler"], "--partitioner", row["partitioner"],
                             "--stages-per-device", row["stages_per_device"])
            self.assertEqual(plan["step_s_predicted"], row["step_s_predicted"])
            self.assertEqual(plan["predicted_peak_bytes"], row["predicted_peak_bytes"])

    def test_refines_the_best_by_simulating_cuts(self):
        by_costs = self.json(*TUNE, "--partitioners", "uniform")["best"][0]
        refined = self.json(*TUNE, "--partitioners", "uniform,schedule-aware")["best"][0]
        self.assertLess(refined["step_s_predicted"], by_costs["step_s_predicted"])
        self.assertEqual(refined["partitioner"], "schedule-aware")
        alone = self.json(*TUNE, "--partitioners", "schedule-aware")["best"][0]
        self.assertLessEqual(alone["step_s_predicted"], refined["step_s_predicted"])

    def test_keeps_within_memory(self):
        every = self.json(*TUNE, "--top", 100)["best"]
        limit = sorted(max(row["predicted_peak_bytes"]) for row in every)[len(every) // 2]
        fitting = self.json(*TUNE, "--top", 100, "--memory", limit)
        self.assertTrue(fitting["best"])
        for row in fitting["best"]:
            self.assertLessEqual(max(row["predicted_peak_bytes"]), limit)
        self.assertIn("no plan fits", self.refuse(*TUNE, "--memory", "1kB"))

    # Under a limit that no plan keeps to which keeps everything, stages compute again.
    def test_recomputes_where_memory_asks_for_it(self):
        unet = ("tune", MODELS / "heat-unet/heat-unet.onnx", "--batch", 32, "--loss", "mse",
                "--devices", "cpu:2", "--threads-per-device", 1, "--schedulers", "gpipe,breadth-first",
                "--partitioners", "balanced", "--try-microbatches", "8", "--top", 100)
        free = self.json(*unet)["best"]
        self.assertEqual({row["recomputed_stages"] for row in free}, {0})
        limit = min(max(row["predicted_peak_bytes"]) for row in free) - 1
        self.assertIn("no plan fits", self.refuse(*unet, "--memory", limit, "--recompute", "none"))
        fitting = self.json(*unet, "--memory", limit, "--output", "run.toml")["best"]
        for row in fitting:
            self.assertGreater(row["recomputed_stages"], 0)
            self.assertLessEqual(max(row["predicted_peak_bytes"]), limit)
        plan = self.json("plan", "run.toml")
        self.assertEqual(plan["step_s_predicted"], fitting[0]["step_s_predicted"])
        self.assertEqual(sum(stage["recomputed"] > 0 for stage in plan["stages"]),
                         fitting[0]["recomputed_stages"])

    def test_writes_a_run_file_that_trains(self):
        (self.folder / "runs").mkdir()
        found = self.json(*TUNE, "--optimizer", "adamw", "--lr", 0.01, "--memory", "1GiB",
                          "--output", "runs/run.toml")
        best = found["best"][0]
        self.assertEqual([path.name for path in (self.folder / "runs").iterdir()], ["run.toml"])
        plan = self.json("plan", "runs/run.toml")
        self.assertEqual((plan["scheduler"], plan["partitioner"], plan["microbatches"]),
                         (best["scheduler"], best["partitioner"], best["microbatches"]))
        self.assertEqual(plan["step_s_predicted"], best["step_s_predicted"])
        text = (self.folder / "runs/run.toml").read_text()
        for line in ("lr = 0.01", "optimizer = 'adamw'", "memory = '1GiB'", "batch = 16"):
            self.assertIn(line, text)

    def test_goes_on_from_a_run_file(self):
        (self.folder / "data.npz").touch()
        (self.folder / "first.toml").write_text(
            f'model = "{MLP}"\nloss = ["cross-entropy"]\ndata = "data.npz"\nbatch = 16\n'
            'devices = "cpu:2"\nthreads-per-device = 1\nshuffle = false\n'.replace(
                "shuffle = false", "no-shuffle = true"))
        (self.folder / "runs").mkdir()
        self.succeed("tune", "first.toml", "--schedulers", "1f1b", "--output", "runs/second.toml")
        text = (self.folder / "runs/second.toml").read_text()
        self.assertIn("data = '../data.npz'", text)
        self.assertIn("no-shuffle = true", text)

    def test_measures_the_best(self):
        found = self.json(*TUNE, "--schedulers", "gpipe,1f1b", "--top", 2, "--measure",
                          "--measured-steps", 2)
        steps = [row["step_s"] for row in found["best"]]
        self.assertEqual(len(steps), 2)
        self.assertEqual(steps, sorted(steps))
        self.assertRegex(self.succeed(*TUNE, "--schedulers", "gpipe", "--top", 1, "--measure",
                                      "--measured-steps", 1).stdout, r"\ngpipe +\w+ +\d .*[mu]s .*B\n")

    def test_wrong_numbers_are_refused(self):
        self.assertIn("'x'", self.refuse(*TUNE, "--try-stages", "1,x"))
        self.assertIn("divisible", self.refuse(*TUNE, "--try-microbatches", "3"))
        self.assertIn("--batch", self.refuse("tune", MLP, "--loss", "cross-entropy",
                                             "--try-microbatches", "2,4"))
