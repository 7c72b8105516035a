"""Costs that were measured, and limits of devices' memory."""

import json
import os
import unittest.mock

from headrace import FIXTURES, HeadraceTest

MLP = FIXTURES / "mlp.dynamo.onnx"
PLAN = ("plan", MLP, "--batch", 16, "--microbatches", 4, "--loss", "cross-entropy", "--devices",
        "cpu:2", "--threads-per-device", 1, "--optimizer", "adam")


class Costs(HeadraceTest):
    """With a cache of each test's own."""

    def setUp(self):
        super().setUp()
        cache = unittest.mock.patch.dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"))
        cache.start()
        self.addCleanup(cache.stop)

    def test_profile_measures_every_form_once(self):
        first = self.json(*PLAN, "--cost", "profile")["costs"]
        self.assertGreater(first["measured_now"], 0)
        self.assertEqual(first["estimated_nodes"], 0)
        rows = {row["operator"]: row for row in first["operators"]}
        self.assertIn("MatMul", rows)
        for row in rows.values():
            self.assertGreater(row["measured_s"], 0)
            self.assertGreater(row["analytic_s"], 0)
            self.assertGreaterEqual(max(row["worst"], 1 / row["worst"]),
                                    max(row["ratio"], 1 / row["ratio"]) * (1 - 1e-9))
        again = self.json(*PLAN, "--cost", "profile")
        self.assertEqual(again["costs"]["measured_now"], 0)
        self.assertEqual(again["costs"]["operators"], first["operators"])

    def test_a_damaged_cache_is_measured_again(self):
        self.json(*PLAN, "--cost", "profile")
        for file in (self.folder / "cache/headrace").iterdir():
            for damage in ("", "[", "null", '{"headrace_costs": 2, "rates": {"node_overhead_s": -1}}',
                           '{"headrace_costs": []}'):
                file.write_text(damage)
                self.assertGreater(self.json(*PLAN, "--cost", "profile")["step_s_predicted"], 0)
        for file in (self.folder / "cache/headrace").glob("rates*"):
            machine = next(iter(json.loads(file.read_text())))
            file.write_text(json.dumps({machine: {"node_overhead_s": "fast"}}))
            self.assertGreater(self.json(*PLAN)["step_s_predicted"], 0)

    def test_costs_go_from_machine_to_machine(self):
        here = self.json(*PLAN, "--cost", "profile", "--dump-costs", "costs.json")
        (self.folder / "cache/headrace").rename(self.folder / "elsewhere")
        there = self.json(*PLAN, "--cost", "costs.json")
        self.assertEqual(there["step_s_predicted"], here["step_s_predicted"])
        self.assertEqual(there["costs"]["estimated_nodes"], 0)
        self.assertFalse((self.folder / "cache/headrace").exists(), "it measured here")
        # Of other sizes it knows nothing, and says so.
        other = self.json(*PLAN, "--cost", "costs.json", "--batch", 32)
        self.assertGreater(other["costs"]["estimated_nodes"], 0)
        # A run file beside the costs finds them.
        (self.folder / "runs").mkdir()
        (self.folder / "costs.json").rename(self.folder / "runs/costs.json")
        (self.folder / "runs/run.toml").write_text(
            f'model = "{MLP}"\nbatch = 16\nmicrobatches = 4\nloss = ["cross-entropy"]\n'
            'devices = "cpu:2"\noptimizer = "adam"\ncost = "./costs.json"\n')
        self.assertEqual(self.json("plan", "runs/run.toml")["step_s_predicted"],
                         here["step_s_predicted"])

    def test_wrong_costs_are_refused(self):
        self.assertIn("'profile'", self.refuse(*PLAN, "--cost", "profil"))
        self.assertIn("no such file", self.refuse(*PLAN, "--cost", "none.json"))
        (self.folder / "other.json").write_text('{"devices": 2}')
        self.assertIn("other.json", self.refuse(*PLAN, "--cost", "other.json"))
        self.assertIn("--cost profile", self.refuse(*PLAN, "--dump-costs", "costs.json"))

    def test_nodes_costs_add_up(self):
        plan = self.json(*PLAN, "--node-costs", "--cost", "profile")
        nodes = plan["nodes"]
        for name in ("forward_s", "backward_weight_s", "parameter_bytes", "optimizer_bytes"):
            self.assertAlmostEqual(sum(node[name] for node in nodes),
                                   sum(stage[name] for stage in plan["stages"]), delta=1e-9)
        products = [node for node in nodes if node["operator"] == "MatMul"]
        for node in products:
            self.assertEqual(node["optimizer_bytes"], 2 * node["parameter_bytes"])
            self.assertIn("workspace_bytes", node)
        # The gradient of a weight reads what went into the product and what came back.
        self.assertGreater(products[-1]["weight_stash_bytes"], products[-1]["activation_bytes"])
        self.assertIn("I to W", self.succeed(*PLAN, "--node-costs").stdout)


class Limits(HeadraceTest):
    def test_memory_moves_the_cut_and_then_refuses(self):
        free = self.json(*PLAN, "--scheduler", "1f1b")
        peak = free["predicted_peak_bytes"]
        small = max(peak) - 1000
        fitting = self.json(*PLAN, "--scheduler", "1f1b", "--memory", f"{small},{4 * small}"
                            if peak[0] > peak[1] else f"{4 * small},{small}")
        self.assertLessEqual(min(fitting["predicted_peak_bytes"]), small)
        self.assertNotEqual(fitting["stages"][0]["last"], free["stages"][0]["last"])
        for command in (PLAN, ("train", *PLAN[1:], "--data", MLP)):
            error = self.refuse(*command, "--memory", "1kB")
            self.assertIn("memory", error)

    def test_recomputation_is_one_of_three(self):
        self.assertIn("did you mean 'stage'", self.refuse(*PLAN, "--recompute", "stages"))
        plan = self.json(*PLAN, "--scheduler", "gpipe", "--recompute", "stage")
        for stage in plan["stages"]:
            self.assertGreater(stage["recomputed"], 0)

    def test_a_list_has_one_size_for_each_device(self):
        self.assertIn("3 values for 2 devices", self.refuse(*PLAN, "--memory", "1GB,2GB,3GB"))
        self.assertIn("'much'", self.refuse(*PLAN, "--memory", "much"))

    def test_memory_holds_for_graphs_of_costs(self):
        names = "abcd"
        (self.folder / "graph.json").write_text(json.dumps({
            "devices": 2,
            "nodes": [{"id": name, "seconds": 9 if name == "d" else 1, "phase": "F", "bytes": 100}
                      for name in names],
            "edges": [{"from": one, "to": two, "seconds": 0} for one, two in zip(names, names[1:])]}))
        call = ("partition", "--costs", "graph.json", "--strategy", "balanced")
        self.assertEqual(self.json(*call)["strategies"][0]["device_bytes"], [300, 100])
        self.assertEqual(self.json(*call, "--memory", "200")["strategies"][0]["device_bytes"],
                         [200, 200])
