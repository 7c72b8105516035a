#!/usr/bin/env python3
"""Writes heat-unet.onnx: a U-Net that takes one large step of the heat equation, freshly initialised.

    python export.py [FILE]
"""

import sys
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from onnx_export import export  # noqa: E402


def convolutions(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, padding=1), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())


class HeatUnet(nn.Module):
    """Temperature and conductivity, [N, 2, H, W] with H and W multiples of 4, to the temperature after
    the step, [N, 1, H, W]. What is learnt is the change."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.fine = convolutions(2, width)
        self.middle = convolutions(width, 2 * width, stride=2)
        self.coarse = convolutions(2 * width, 4 * width, stride=2)
        self.up_middle = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join_middle = convolutions(4 * width, 2 * width)
        self.up_fine = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join_fine = convolutions(2 * width, width)
        self.change = nn.Conv2d(width, 1, 1)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        fine = self.fine(state)
        middle = self.middle(fine)
        y = self.up_middle(self.coarse(middle))
        y = self.up_fine(self.join_middle(torch.cat((middle, y), 1)))
        return state[:, :1] + self.change(self.join_fine(torch.cat((fine, y), 1)))


def build() -> HeatUnet:
    torch.manual_seed(0)
    return HeatUnet()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "heat-unet.onnx"
    path = export(build(), [torch.zeros(2, 2, 32, 32)], target, ["state"], output="next")
    print(f"{path}: {path.stat().st_size} bytes")
