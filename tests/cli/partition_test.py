"""`headrace partition`: strategies side by side, on a graph of costs and on a model."""

import json
import unittest

from headrace import FIXTURES, HeadraceTest

# Two columns of three forward nodes, each with its gradient, which a skip joins.
NODES = [("a", 3), ("b", 1), ("c", 2), ("d", 4), ("e", 1), ("f", 1)]
EDGES = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "e"), ("c", "f"), ("e", "f")]


def graph(**more):
    nodes, edges = [], []
    for name, seconds in NODES:
        nodes.append({"id": name, "seconds": seconds, "phase": "F", "bytes": 100, "colocate": name})
        nodes.append({"id": name + "'", "seconds": seconds, "phase": "I", "colocate": name})
        edges.append({"from": name, "to": name + "'", "seconds": 9})
    for start, end in EDGES:
        edges.append({"from": start, "to": end, "seconds": 0.5})
        edges.append({"from": end + "'", "to": start + "'", "seconds": 0.25})
    return {"devices": 2, "nodes": nodes, "edges": edges, **more}


def loads(costs, assignment, devices):
    """What cli.md says of loads, over again."""
    load = [0.0] * devices
    for node in costs["nodes"]:
        load[assignment[node["id"]]] += node["seconds"]
    sent = {}
    for edge in costs["edges"]:
        home, there = assignment[edge["from"]], assignment[edge["to"]]
        if home != there:
            sent[edge["from"], there] = edge["seconds"]
    paid = set()
    for (node, there), seconds in sent.items():
        load[there] += seconds
        if costs.get("communication") != "host" or node not in paid:
            load[assignment[node]] += seconds
        paid.add(node)
    return load


class PartitionTest(HeadraceTest):
    def write(self, costs):
        (self.folder / "costs.json").write_text(json.dumps(costs))
        return "costs.json"

    def check_rows(self, costs, answer):
        self.assertTrue(answer["strategies"])
        for row in answer["strategies"]:
            with self.subTest(row["name"]):
                again = loads(costs, row["assignment"], answer["devices"])
                for mine, theirs in zip(again, row["device_s"], strict=True):
                    self.assertAlmostEqual(mine, theirs, places=9)
                self.assertAlmostEqual(max(again), row["bottleneck_s"], places=9)
                self.assertLessEqual(row["lower_bound_s"], row["bottleneck_s"])
                self.assertEqual(sum(row["device_bytes"]), 600)
                self.assertEqual(
                    row["optimal"], row["lower_bound_s"] > row["bottleneck_s"] * (1 - 1e-9)
                )
                for name, _ in NODES:
                    self.assertEqual(row["assignment"][name], row["assignment"][name + "'"])

    def test_every_strategy_answers_and_is_scored_as_the_contract_says(self):
        for more in ({}, {"communication": "host"}, {"devices": [{"speed": 1}, {"speed": 1}]}):
            costs = graph(**more)
            answer = self.json("partition", "--costs", self.write(costs))
            self.check_rows(costs, answer)
            names = {row["name"] for row in answer["strategies"]}
            self.assertLessEqual({"balanced", "optimal", "uniform"}, names)
            self.assertTrue(answer["strategies"][0]["optimal"])
            self.assertEqual(
                [row["name"] for row in answer["refused"] if row["name"] == "graph"], ["graph"]
            )

    def test_stages_need_not_be_contiguous_where_the_call_says_so(self):
        costs = graph()
        for edge in costs["edges"]:
            edge["seconds"] = 0.0
        file = self.write(costs)
        answer = self.json("partition", "--costs", file, "--contiguous=false", "--devices", "3")
        self.check_rows(costs, answer)
        best = {row["name"]: row["bottleneck_s"] for row in answer["strategies"]}
        self.assertEqual(best["graph"], 8)  # d alone, a with e, b with c and f
        self.assertEqual(best["optimal"], 8)
        together = self.json("partition", "--costs", file, "--devices", "3")
        self.assertEqual(together["strategies"][0]["bottleneck_s"], 8)

    def test_devices_and_loops_of_the_call(self):
        costs = graph()
        file = self.write(costs)
        answer = self.json("partition", "--costs", file, "--devices", "3", "--strategy", "uniform")
        self.assertEqual((answer["devices"], answer["stages"]), (3, 3))
        answer = self.json("partition", "--costs", file, "--stages-per-device", "2")
        self.assertEqual((answer["devices"], answer["stages"]), (2, 4))
        self.check_rows(costs, answer)

    def test_the_table_has_a_line_for_each_strategy(self):
        out = self.succeed(
            "partition", "--costs", self.write(graph()), "--partitioner", "balanced,uniform"
        ).stdout
        self.assertIn("no partition has a bottleneck of less than 12.0 s", out)
        self.assertRegex(out, r"\nbalanced +\d")
        self.assertRegex(out, r"\nuniform +\d")

    def test_a_model_is_cut_as_plan_cuts_it(self):
        model = FIXTURES / "mlp.dynamo.onnx"
        options = ("--loss", "cross-entropy", "--devices", "cpu:2", "--batch", "8",
                   "--microbatches", "4")
        plan = self.json("plan", model, *options)
        answer = self.json("partition", model, *options, "--strategy", "balanced")
        row = answer["strategies"][0]
        self.assertEqual(row["bottleneck_s"], plan["bottleneck_s"])
        self.assertEqual(row["cut_bytes"], plan["cut_bytes"])
        self.assertEqual(set(row["assignment"].values()), {0, 1})

    def test_refusals(self):
        file = self.write(graph())
        self.assertIn("no model is given", self.refuse("partition"))
        self.assertIn("not both", self.refuse("partition", "net.onnx", "--costs", file))
        self.assertIn("cannot be read", self.refuse("partition", "--costs", "none.json"))
        self.assertIn("--devices 0", self.refuse("partition", "--costs", file, "--devices", "0"))
        self.assertIn(
            "the nearest is 'balanced'",
            self.refuse("partition", "--costs", file, "--strategy", "blanced"),
        )
        self.assertIn(
            "--partitioner-option speed: no strategy here knows it",
            self.refuse("partition", "--costs", file, "--partitioner-option", "speed=1"),
        )
        self.assertIn(
            "contiguous",
            self.refuse("partition", FIXTURES / "mlp.dynamo.onnx", "--contiguous=false"),
        )
        self.assertIn(
            "says nothing of devices",
            self.refuse("partition", "--costs", self.write({"nodes": graph()["nodes"]})),
        )


if __name__ == "__main__":
    unittest.main()
