#!/usr/bin/env python3
"""Trains with Headrace and with PyTorch from the same weights on the same batches and compares losses.

    python follow_training.py [--models gpt_small,resnet18_32] [--steps 50] [--tolerance 1e-3] [--control]

AdamW, a fresh batch each step. Weights are freshly initialised, so that what exporters merge because
it is equal at the start must come apart again. The learning rate is the model's in the zoo: Adam's
first steps move a weight by the sign of its gradient, so rounding grows from step to step, and at
1e-3 PyTorch's own single precision leaves its double precision by 4e-3 within four steps of
ResNet-18. `--control` prints how far apart those two end. Further arguments after `--` go to `headrace train`
(for example `-- --devices cpu:2 --stages-per-device 2 --scheduler breadth-first`).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import headrace
import numpy as np
import torch
import zoo
from exporters import export
from torch import Tensor, nn

WEIGHT_DECAY = 0.01


def torch_losses(module: nn.Module, inputs: Tensor, targets: Tensor, rate: float) -> list[float]:
    optimizer = torch.optim.AdamW(module.train().parameters(), rate, weight_decay=WEIGHT_DECAY)
    losses = []
    for batch, target in zip(inputs, targets):
        optimizer.zero_grad()
        loss = zoo.loss_of(module(batch), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def headrace_losses(path: Path, folder: Path, name: str, inputs: Tensor, targets: Tensor,
                    rate: float, more: list[str]) -> list[float]:
    np.savez(folder / "batches.npz", **{name: inputs.flatten(0, 1).numpy()},
             target=targets.flatten(0, 1).numpy())
    report = headrace.run_json(
        "train", path, "--data", folder / "batches.npz", "--no-shuffle", "--steps", len(inputs),
        "--batch", inputs.shape[1], "--loss", "cross-entropy:logits:target", "--optimizer", "adamw",
        "--lr", rate, "--weight-decay", WEIGHT_DECAY, "--output", folder / "trained.onnx", *more)
    return report["losses"]


def distances(found: list[float], expected: list[float]) -> list[float]:
    """Relative, step by step; a missing loss is infinitely far off."""
    if len(found) != len(expected):
        return [np.inf]
    return [abs(a - b) / abs(b) for a, b in zip(found, expected)]


def check(name: str, exporter: str, steps: int, tolerance: float, control: bool,
          more: list[str]) -> bool:
    model = zoo.MODELS[name]
    generator = torch.Generator().manual_seed(2)
    inputs, targets = (torch.stack(part)
                       for part in zip(*(model.draw(generator) for _ in range(steps))))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = export(model.build(), inputs[0, :2], model.input, folder / "model.onnx", exporter)
        found = headrace_losses(path, folder, model.input, inputs, targets,
                                model.rate, more)
    expected = torch_losses(model.build(), inputs, targets, model.rate)
    off = distances(found, expected)
    passed = bool(max(off) <= tolerance)
    print(f"{name:<16}{exporter:<13} loss {expected[0]:.4f} to {expected[-1]:.4f} (headrace {found[-1]:.4f})"
          f"   furthest {max(off):.1e} at step {int(np.argmax(off))}   {'ok' if passed else 'TOO FAR'}",
          flush=True)
    if control:
        double = torch_losses(model.build().double(),
                              inputs if model.tokens else inputs.double(), targets, model.rate)
        print(f"{'':<16}{'':<13} PyTorch, single against double precision: furthest "
              f"{max(distances(expected, double)):.1e}; headrace against double: "
              f"{max(distances(found, double)):.1e}", flush=True)
    return passed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="gpt_small,resnet18_32")
    parser.add_argument("--exporters", default="dynamo,legacy")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--control", action="store_true")
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[:own.index("--")], own[own.index("--") + 1:]
    arguments = parser.parse_args(own)
    torch.set_num_threads(1)
    results = []
    for name in arguments.models.split(","):
        for exporter in arguments.exporters.split(","):
            # The plain form is dynamo's with BatchNormalization kept.
            if exporter == "dynamo" and zoo.MODELS[name].batch_norm:
                exporter = "plain"
            results.append(check(name, exporter, arguments.steps, arguments.tolerance,
                                 arguments.control, more))
    sys.exit(0 if all(results) else 1)
