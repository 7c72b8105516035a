"""torchvision's nets with random weights, exported here by both of PyTorch's exporters."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from models import CACHE, Net, floats
from torch import nn

# Name and the size of the images: small where the net allows it.
NETS = {
    "alexnet": 224, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64,
    "efficientnet_v2_s": 64, "googlenet": 64, "inception_v3": 96, "maxvit_t": 224, "mnasnet0_5": 64,
    "mobilenet_v2": 64, "mobilenet_v3_small": 64, "regnet_x_400mf": 64, "regnet_y_400mf": 64,
    "resnet18": 64, "resnet50": 64, "resnext50_32x4d": 64, "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64, "swin_t": 64, "vgg11_bn": 224, "vit_b_16": 64,
}


def build(name: str, size: int) -> nn.Module:
    """Random weights, none of them all 0, and statistics of data: as it is initialised, a net whose
    normalisation the exporter folds away passes nothing on, and zero biases are left out of the file."""
    torch.manual_seed(3)
    keywords = {"num_classes": 100}
    if name in ("googlenet", "inception_v3"):
        keywords |= {"aux_logits": False, "init_weights": True}
    if name.startswith("vit"):
        keywords |= {"image_size": size}
    module = getattr(torchvision.models, name)(**keywords).train()
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            if key.endswith("bias") or not parameter.any():
                parameter.add_(0.02 * torch.randn_like(parameter))
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None  # the mean of all batches
                part.reset_running_stats()
        for _ in range(2):
            module(torch.randn(8, 3, size, size))
    return module


def exported(name: str, exporter: str, size: int) -> Path:
    path = CACHE / f"{name}.{exporter}.onnx"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    module = build(name, size)
    example = torch.randn(2, 3, size, size)
    training = exporter == "legacy_train"
    module.train(training)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(module, (example,), path, dynamo=True, input_names=["image"],
                              output_names=["logits"], external_data=False, verbose=False,
                              dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
        else:
            torch.onnx.export(
                module, (example,), path, dynamo=False, opset_version=17,
                training=torch.onnx.TrainingMode.TRAINING if training
                else torch.onnx.TrainingMode.EVAL,
                do_constant_folding=not training, input_names=["image"], output_names=["logits"],
                dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})
    return path


def at(name: str, exporter: str, size: int) -> Callable[[], Path]:
    return lambda: exported(name, exporter, size)


# Of SGD; with their normalisation folded away these leave all bounds at the others' rate.
RATES = {"efficientnet_v2_s": 1e-4, "inception_v3": 1e-7}
# So many ReLUs sit near their kinks that PyTorch's own single precision is 0.8e-2 (googlenet,
# regnet_x) to 1.5e-2 (resnext50) off its double.
ROUGH = {"googlenet", "regnet_x_400mf", "resnet50", "resnext50_32x4d"}
# The numbers of regions whose equality masks shifted windows; the default exporter writes them out.
REGIONS = (200, 252, 303, 355, 407, 459, 511, 563, 615, 1016, 1067, 1118, 1169, 1322)
FREEZE = {("swin_t", "dynamo"): tuple(f"val_{n}" for n in REGIONS)}


def nets() -> list[Net]:
    return [Net(f"{name}.{exporter}", at(name, exporter, size), floats("image", 3, size, size),
                [("cross-entropy", "logits")], batch=4,
                rate=RATES.get(name, 1e-3), freeze=FREEZE.get((name, exporter), ()),
                single=3e-2 if name in ROUGH else 1e-2)
            for name, size in NETS.items() for exporter in ("legacy", "dynamo")]
