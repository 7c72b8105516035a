#!/usr/bin/env python3
"""Writes the three cases that order.py is run on: a run file each in FOLDER, and the models they name.

    python cases.py FOLDER

ResNet-18 at 32x32, the U-Net of models/heat-unet and a decoder of four layers, on two devices of one
thread with eight micro-batches. Needs PyTorch and its exporter (bench/pytorch/README.md).
"""

import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/pytorch"))

import exporters  # noqa: E402
import zoo  # noqa: E402

RUN = """model = "{model}"
devices = "cpu:2"
threads-per-device = 1
batch = {batch}
microbatches = 8
loss = "{loss}"
"""


def exported(name: str, folder: Path) -> Path:
    model = zoo.MODELS[name]
    example, _ = model.draw(torch.Generator().manual_seed(1), 2)
    return exporters.export(model.build(), example, model.input, folder / f"{name}.onnx", "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    cases = [
        (exported("resnet18_32", folder), 64, "cross-entropy"),
        (ROOT / "models/heat-unet/heat-unet.onnx", 64, "mse"),
        (exported("gpt_small", folder), 16, "cross-entropy"),
    ]
    for model, batch, loss in cases:
        (folder / f"{model.stem}.toml").write_text(
            RUN.format(model=model.resolve(), batch=batch, loss=loss))


if __name__ == "__main__":
    main()
