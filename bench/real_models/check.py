#!/usr/bin/env python3
"""Runs models that others exported through Headrace and prints a table.

    python check.py [--nets ppocr_cls,minilm] [--groups wheels,light,scaled,torch] [--steps 30] [--json F]
                    [--batch N] [--skip gradient,single_precision]

Needs numpy, onnx and onnxruntime, for the group `torch` PyTorch and torchvision, and the built
programs `headrace` and `gradient_check` ($HEADRACE_BUILD, by default build/release). For each net:

  forward    furthest output from onnxruntime's, relative to the output's largest value (1e-3)
  gradient   the f64 gradient against central differences of the f64 loss, along random directions
             of all weights and of sampled single ones (1e-4)
  f32        `headrace grad` against that f64 gradient: Frobenius norms, all parameters together
  loss       first and last of the steps of SGD on the fixed batch
  bits       the weights' SHA-256 after three steps, four breadth-first stages on two devices
             against one device

Ends with 1 when a net fails in one of them.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import models
import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HEADRACE_BUILD", ROOT / "build/release"))
HEADRACE = BUILD / "headrace"
GRADIENT_CHECK = BUILD / "tests/onnx_backend/gradient_check"


class Failure(Exception):
    pass


def call(*arguments: object) -> str:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure((done.stderr.strip() or f"ended with {done.returncode}")[-600:])
    return done.stdout


def call_json(*arguments: object) -> dict:
    return json.loads(call(HEADRACE, *arguments, "--json"))


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected), initial=0) /
                 max(np.max(np.abs(expected), initial=0), 1e-30))


def targets(net: models.Net, outputs: dict[str, np.ndarray],
            rng: np.random.Generator) -> tuple[models.Arrays, list[str]]:
    """Random targets of the net's losses, and the losses as options."""
    arrays: models.Arrays = {}
    options = []
    for n, (kind, name) in enumerate(net.losses):
        name = name or next(iter(outputs))
        shape = list(outputs[name].shape)
        target = f"target{n}"
        if kind in ("nll", "cross-entropy"):
            classes = shape.pop(2 if len(shape) == 3 else 1)
            arrays[target] = rng.integers(0, classes, shape)
        elif kind == "bce":
            arrays[target] = rng.random(shape, dtype=np.float32)
        else:
            arrays[target] = rng.standard_normal(shape).astype(np.float32)
        options += ["--loss", f"{kind}:{name}:{target}"]
    return arrays, options


def free_dimensions(path: Path, batch: models.Arrays) -> list[str]:
    """Sizes of the free dimensions but the batch, as INPUT:AXIS=N."""
    graph = onnx.load(path, load_external_data=False).graph
    return [f"{info.name}:{axis}={batch[info.name].shape[axis]}" for info in graph.input
            if info.name in batch
            for axis, dim in enumerate(info.type.tensor_type.shape.dim)
            if axis > 0 and (dim.dim_param or dim.dim_value <= 0)]


class Check:
    def __init__(self, net: models.Net, folder: Path, steps: int, directions: int):
        self.net, self.folder, self.steps, self.directions = net, folder, steps, directions
        self.row: dict[str, object] = {"net": net.name}
        rng = np.random.default_rng(7)
        self.path = net.path()
        self.inputs = net.inputs(rng, net.batch)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(self.path), options,
                                               providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        self.outputs = dict(zip(names, session.run(names, self.inputs)))
        self.targets, self.losses = targets(net, self.outputs, rng)
        np.savez(folder / "inputs.npz", **self.inputs)
        fixed = {k: v for k, v in self.inputs.items() if k in net.fixed}
        batch = {k: v for k, v in self.inputs.items() if k not in net.fixed} | self.targets
        np.savez(folder / "batch.npz", **batch)
        self.options = list(self.losses)
        if fixed:
            np.savez(folder / "fixed.npz", **fixed)
            self.options += ["--fixed-inputs", folder / "fixed.npz"]
        self.options += [word for glob in net.freeze for word in ("--freeze", glob)]
        self.free = free_dimensions(self.path, batch)
        self.options += [word for text in self.free for word in ("--bind", text)]
        self.fixed = folder / "fixed.npz" if fixed else "-"

    def forward(self) -> bool:
        call(HEADRACE, "run", self.path, "--inputs", self.folder / "inputs.npz", "--outputs",
             self.folder / "outputs.npz")
        found = np.load(self.folder / "outputs.npz")
        worst = max(relative(found[name], value) if value.dtype.kind == "f" else
                    float(not np.array_equal(found[name], value))
                    for name, value in self.outputs.items())
        self.row["forward"] = worst
        return worst <= 1e-3

    def gradient(self) -> bool:
        report = json.loads(call(
            GRADIENT_CHECK, self.path, self.folder / "batch.npz", self.fixed,
            self.folder / "exact.npz", self.directions, *self.losses[1::2], *self.free,
            *("freeze " + glob for glob in self.net.freeze)))
        self.row["parameters"] = report["parameters"]
        self.row["gradient"] = report["furthest"]
        return report["furthest"] <= 1e-4

    def single_precision(self) -> bool:
        call(HEADRACE, "grad", self.path, "--inputs", self.folder / "batch.npz", "--outputs",
             self.folder / "found.npz", *self.options)
        exact, found = np.load(self.folder / "exact.npz"), np.load(self.folder / "found.npz")
        difference = magnitude = 0.0
        for name in exact.files:
            expected = exact[name].astype(np.float64)
            difference += float(np.sum((found[name] - expected) ** 2))
            magnitude += float(np.sum(expected**2))
        self.row["f32"] = (difference / max(magnitude, 1e-300)) ** 0.5
        return bool(self.row["f32"] <= self.net.single)

    def train(self, steps: int, *options: object) -> dict:
        return call_json("train", self.path, "--data", self.folder / "batch.npz", "--batch",
                         self.net.batch, "--no-shuffle", "--steps", steps, "--optimizer", "sgd",
                         "--lr", self.net.rate, "--output", self.folder / "trained.onnx",
                         *self.options, *options)

    def learning(self) -> bool:
        losses = self.train(self.steps)["losses"]
        self.row["loss"] = f"{losses[0]:.4g} to {losses[-1]:.4g}"
        return losses[-1] < losses[0]

    def bits(self) -> bool:
        micro = ["--microbatches", 2 if self.net.batch % 2 == 0 and not self.net.fixed else 1,
                 "--threads-per-device", 1]
        one = self.train(3, *micro)["weights_sha256"]
        four = self.train(3, *micro, "--devices", "cpu:2", "--stages-per-device", 2,
                          "--scheduler", "breadth-first")
        self.row["bits"] = "same" if one == four["weights_sha256"] and four["stages"] == 4 else "OTHER"
        return self.row["bits"] == "same"

    def run(self, skipped: list[str]) -> bool:
        passed = True
        for step in (self.forward, self.gradient, self.single_precision, self.learning, self.bits):
            if step.__name__ in skipped:
                continue
            if step in (self.gradient, self.single_precision) and not self.net.differences:
                continue
            try:
                good = step()
            except Failure as failure:
                good = False
                self.row[step.__name__] = "failed"
                print(f"{self.net.name}: {step.__name__}: {failure}", file=sys.stderr)
            passed = passed and good
        self.row["passed"] = passed
        return passed


COLUMNS = ["net", "parameters", "forward", "gradient", "f32", "loss", "bits", "passed"]


def shown(value: object) -> str:
    return f"{value:.1e}" if isinstance(value, float) else str(value)


def chosen(arguments: argparse.Namespace) -> list[models.Net]:
    nets: list[models.Net] = []
    for group in arguments.groups.split(","):
        if group == "torch":
            import torch_nets

            nets += torch_nets.nets()
        else:
            nets += {"wheels": models.WHEELS, "light": models.LIGHT, "scaled": models.SCALED}[group]
    wanted = arguments.nets.split(",") if arguments.nets else [net.name for net in nets]
    nets = [net for net in nets if net.name in wanted]
    return [dataclasses.replace(net, batch=arguments.batch) for net in nets] if arguments.batch else nets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="")
    parser.add_argument("--groups", default="wheels,light,scaled,torch")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--directions", type=int, default=2)
    parser.add_argument("--batch", type=int, help="samples of the batch, in place of each net's own")
    parser.add_argument("--skip", default="", help="checks to leave out: large nets take hours in f64")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for net in chosen(arguments):
        with tempfile.TemporaryDirectory() as folder:
            try:
                check = Check(net, Path(folder), arguments.steps, arguments.directions)
                check.run(arguments.skip.split(","))
                row = check.row
            except Exception as error:  # what a fetch or an exporter throws is the net's failure
                print(f"{net.name}: {error}", file=sys.stderr)
                row = {"net": net.name, "passed": False}
        rows.append(row)
        print("| " + " | ".join(shown(row.get(column, "")) for column in COLUMNS) + " |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
