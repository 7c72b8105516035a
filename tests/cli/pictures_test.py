"""Traces and pages that the program writes."""

import json

from datasets import write_mlp_data
from headrace import FIXTURES, HeadraceTest

PLAN = ("plan", FIXTURES / "mlp.dynamo.onnx", "--batch", 16, "--microbatches", 4, "--loss",
        "cross-entropy", "--devices", "cpu:2")


def slices(trace, process):
    """{row: [(name, start, end)]} of one process."""
    rows = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"]
            if event["name"] == "thread_name" and event["pid"] == process}
    found = {row: [] for row in rows.values()}
    for event in trace["traceEvents"]:
        if event["ph"] == "X" and event["pid"] == process:
            found[rows[event["tid"]]].append((event["name"], event["ts"],
                                              event["ts"] + event["dur"]))
    return found


class Trace(HeadraceTest):
    def load(self):
        return json.loads((self.folder / "trace.json").read_text())

    def test_of_a_plan(self):
        plan = self.json(*PLAN, "--scheduler", "1f1b", "--trace", "trace.json", "--actions")
        rows = slices(self.load(), 0)
        self.assertEqual(set(rows), {"device 0 compute", "device 0 send", "device 0 receive",
                                     "device 1 compute", "device 1 send", "device 1 receive"})
        for device in range(2):
            row = rows[f"device {device} compute"]
            self.assertEqual([name for name, _, _ in row], plan["actions"][device] + ["update"])
            for (_, _, end), (_, start, _) in zip(row, row[1:]):
                self.assertLessEqual(end, start + 0.002)
        self.assertEqual([name for name, _, _ in rows["device 0 send"]],
                         [f"0SEND_F{m}" for m in range(4)])
        last = max(end for row in rows.values() for _, _, end in row)
        self.assertAlmostEqual(last / 1e6, plan["step_s_predicted"], places=7)

    def test_of_a_run_has_the_rows_of_its_simulation(self):
        write_mlp_data(self.folder / "data.npz", 64)
        self.succeed("train", FIXTURES / "mlp.dynamo.onnx", "--loss", "cross-entropy", "--batch", 16,
                     "--microbatches", 4, "--devices", "cpu:2", "--threads-per-device", 1,
                     "--data", "data.npz", "--eval", "data.npz", "--trace", "trace.json")
        trace = self.load()
        measured, simulated = slices(trace, 0), slices(trace, 1)
        self.assertEqual(set(measured), set(simulated))
        for row in measured:
            self.assertEqual(sorted(name for name, _, _ in measured[row]),
                             sorted(name for name, _, _ in simulated[row]), row)
            for name, start, end in measured[row]:
                self.assertLessEqual(0, start, name)
                self.assertLessEqual(start, end, name)
