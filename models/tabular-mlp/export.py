#!/usr/bin/env python3
"""Writes tabular-mlp.onnx: a multilayer perceptron from 30 features to 2 classes, freshly initialised.

    python export.py [FILE]
"""

import sys
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from onnx_export import export  # noqa: E402


def build() -> nn.Module:
    """Features of [N, 30] to the logits of 2 classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, 2))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "tabular-mlp.onnx"
    path = export(build(), [torch.zeros(2, 30)], target, ["features"])
    print(f"{path}: {path.stat().st_size} bytes")
