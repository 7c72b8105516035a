"""The networks that Headrace is compared with PyTorch on, and data that they can learn.

`MODELS` names them; `Model.build()` is fresh and seeded, `Model.draw()` gives batches whose targets
follow from the inputs, so that a loss falls within a few steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Sequential):
    def __init__(self, *widths: int):
        layers: list[nn.Module] = []
        for width_in, width in zip(widths, widths[1:]):
            layers += [nn.Linear(width_in, width), nn.ReLU()]
        super().__init__(*layers[:-1])


class LeNet(nn.Module):
    """Two convolutions with pooling, then fully connected layers; images of [N, 1, size, size]."""

    def __init__(self, size: int, channels: tuple[int, int], hidden: int, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 5, padding=2)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 5, padding=2)
        self.fc1 = nn.Linear(channels[1] * (size // 4) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.conv1(image)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def shortcut(channels_in: int, channels: int, stride: int) -> nn.Module:
    """Beside a block: nothing, or a projection where the block changes the shape."""
    if stride == 1 and channels_in == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = shortcut(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """Its stride stands in the 3 x 3 convolution, as torchvision has it."""

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        inner = channels // 4
        self.conv1 = nn.Conv2d(channels_in, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut = shortcut(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """He et al. 2015: basic blocks of (64, 128, 256, 512) channels, two each, are ResNet-18; bottlenecks
    of (256, 512, 1024, 2048), (3, 4, 6, 3) of them, are ResNet-50. `stem` channels come first."""

    def __init__(self, widths: tuple[int, ...], blocks: int | tuple[int, ...], classes: int,
                 block: type[nn.Module] = ResidualBlock, stem: int | None = None):
        super().__init__()
        width_in = stem or widths[0]
        counts = blocks if isinstance(blocks, tuple) else (blocks,) * len(widths)
        self.conv1 = nn.Conv2d(3, width_in, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        layers = []
        for stage, (width, count) in enumerate(zip(widths, counts)):
            for index in range(count):
                layers.append(block(width_in, width, 2 if stage > 0 and index == 0 else 1))
                width_in = width
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(width_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        return self.fc(F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1))


class DecoderBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = (z.view(n, t, self.heads, width // self.heads).transpose(1, 2)
                   for z in self.qkv(self.ln1(x)).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, width))
        return x + self.fc2(F.gelu(self.fc1(self.ln2(x))))


class Decoder(nn.Module):
    """GPT-2's shape: learned positions, pre-normalisation, causal attention; `tied` shares the head."""

    def __init__(self, layers: int, width: int, heads: int, context: int, vocabulary: int,
                 tied: bool = False):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.lnf = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        if tied:
            self.head.weight = self.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.lnf(x))


@dataclass(frozen=True)
class Model:
    make: Callable[[], nn.Module]
    input: str  # name of the graph's input
    shape: tuple[int, ...]  # of one sample
    classes: int
    batch: int
    tokens: bool = False  # inputs are ids below `classes`, with one target each
    batch_norm: bool = False
    rate: float = 1e-3  # at which single precision follows double for 50 AdamW steps

    def build(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.make()

    def draw(self, generator: torch.Generator, batch: int | None = None) -> tuple[Tensor, Tensor]:
        """A batch: tokens are followed by a fixed function of them; images carry their class's pattern."""
        n = batch or self.batch
        if self.tokens:
            ids = torch.randint(0, min(64, self.classes), (n, *self.shape), generator=generator)
            return ids, (ids * 7 + 3) % self.classes
        patterns = torch.randn(self.classes, *self.shape, generator=torch.Generator().manual_seed(99))
        target = torch.randint(0, self.classes, (n,), generator=generator)
        return torch.randn(n, *self.shape, generator=generator) + patterns[target], target


def perturb(module: nn.Module, seed: int = 1) -> nn.Module:
    """Moves every scale, bias and statistic off its fresh value, so that no two are equal and none
    of their gradients vanishes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer += 0.1 * torch.randn(buffer.shape, generator=generator)
            elif name.endswith("running_var"):
                buffer *= 0.5 + torch.rand(buffer.shape, generator=generator)
    return module


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy; the classes are the last axis."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))


RESNET18 = (64, 128, 256, 512)

MODELS: dict[str, Model] = {
    "mlp": Model(lambda: Mlp(784, 512, 512, 10), "x", (784,), 10, 64),
    "lenet": Model(lambda: LeNet(28, (6, 16), 120, 10), "image", (1, 28, 28), 10, 64),
    "resnet18_32": Model(lambda: ResNet(RESNET18, 2, 10), "image", (3, 32, 32), 10, 64,
                         batch_norm=True, rate=1e-5),
    "resnet18": Model(lambda: ResNet(RESNET18, 2, 1000), "image", (3, 224, 224), 1000, 8,
                      batch_norm=True, rate=1e-5),
    "resnet50": Model(lambda: ResNet((256, 512, 1024, 2048), (3, 4, 6, 3), 1000, Bottleneck, 64), "image",
                      (3, 224, 224), 1000, 64, batch_norm=True, rate=1e-5),
    "gpt2": Model(lambda: Decoder(12, 768, 12, 1024, 50257), "ids", (1024,), 50257, 8, tokens=True),
    "gpt_small": Model(lambda: Decoder(4, 256, 8, 128, 8192), "ids", (128,), 8192, 8, tokens=True),
    "gpt_small_tied": Model(lambda: Decoder(4, 256, 8, 128, 8192, tied=True), "ids", (128,), 8192,
                            8, tokens=True),
    # Small enough to be committed: tests/fixtures/make_fixtures.py.
    "tiny_mlp": Model(lambda: Mlp(16, 24, 24, 5), "x", (16,), 5, 6),
    "tiny_lenet": Model(lambda: LeNet(12, (4, 8), 20, 5), "image", (1, 12, 12), 5, 6),
    "tiny_resnet": Model(lambda: ResNet((6, 12), 1, 5), "image", (3, 16, 16), 5, 6,
                         batch_norm=True),
    "tiny_gpt": Model(lambda: Decoder(2, 16, 2, 8, 50), "ids", (8,), 50, 3, tokens=True),
    "tiny_gpt_tied": Model(lambda: Decoder(2, 16, 2, 8, 50, tied=True), "ids", (8,), 50, 3,
                           tokens=True),
}
