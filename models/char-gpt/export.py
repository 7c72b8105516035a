#!/usr/bin/env python3
"""Writes char-gpt.onnx: a GPT-2-style decoder over 64 characters, freshly initialised, tied head.

    python export.py [FILE]
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from onnx_export import export  # noqa: E402

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 4, 80, 5, 128, 64


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.expand, self.contract = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, _ = x.shape
        heads = (z.view(n, t, HEADS, -1).transpose(1, 2)
                 for z in self.qkv(self.norm1(x)).split(WIDTH, dim=2))
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(n, t, WIDTH))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class CharGpt(nn.Module):
    """Character ids of [N, 128] to the logits of each next character, [N, 128, 64]."""

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("project.weight", "contract.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)
            elif "norm" not in name:
                nn.init.zeros_(parameter)
        self.head.weight = self.tokens.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def build() -> CharGpt:
    torch.manual_seed(0)
    return CharGpt()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "char-gpt.onnx"
    path = export(build(), [torch.zeros(2, CONTEXT, dtype=torch.long)], target, ["ids"])
    print(f"{path}: {path.stat().st_size} bytes")
