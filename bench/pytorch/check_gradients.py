#!/usr/bin/env python3
"""Compares every parameter's gradient from `headrace grad` with PyTorch's on the same batch.

    python check_gradients.py [--models mlp,gpt_small] [--exporters dynamo,legacy] [--tolerance 1e-4]

PyTorch computes in double precision; the error of a parameter is the Frobenius norm of the difference
over that of PyTorch's gradient. Its own error in single precision is shown beside. Ends with 1 when
any parameter is further off than the tolerance.

ResNet-18 has millions of ReLUs: on some batches one of them has an input within rounding of zero, and which
side it falls on changes all gradients before it by some 1e-3, in PyTorch's own single precision as much as
here. --seed chooses another batch; the default is one without such a tie.
"""

import argparse
import copy
import sys
import tempfile
from pathlib import Path

import headrace
import numpy as np
import torch
import zoo
from exporters import EXPORTERS, export, match_parameters
from torch import Tensor, nn

# The other two fold BatchNormalization away, so their gradients are another network's.
KEEPS_BATCH_NORM = ("plain", "legacy")


def torch_gradients(module: nn.Module, inputs: Tensor, target: Tensor) -> dict[str, np.ndarray]:
    module.train().zero_grad()
    loss = zoo.loss_of(module(inputs), target)
    loss.backward()
    gradients = {name: p.grad.double().numpy().copy() for name, p in module.named_parameters()}
    return gradients | {"loss": loss.detach().double().numpy()}


def headrace_gradients(path: Path, folder: Path, module: nn.Module, name: str, inputs: Tensor,
                       target: Tensor) -> dict[str, np.ndarray]:
    """Under PyTorch's names; what an exporter stored twice is summed."""
    np.savez(folder / "batch.npz", **{name: inputs.numpy()}, target=target.numpy())
    headrace.run("grad", path, "--inputs", folder / "batch.npz", "--loss",
                 "cross-entropy:logits:target", "--outputs", folder / "gradients.npz")
    answers = np.load(folder / "gradients.npz")
    gradients: dict[str, np.ndarray] = {"loss": answers["loss"].astype(np.float64).reshape(())}
    for initializer, match in match_parameters(path, module).items():
        value = answers[f"grad:{initializer}"].astype(np.float64)
        value = value.T if match.transposed else value
        gradients[match.parameter] = gradients.get(match.parameter, 0) + value
    return gradients


def errors(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, float]:
    """Relative to the expected; what is missing or not finite is infinitely far off."""
    result = {}
    for name, value in expected.items():
        if name not in found or found[name].shape != value.shape:
            result[name] = float("inf")
            continue
        error = np.linalg.norm(found[name] - value) / max(np.linalg.norm(value), 1e-30)
        result[name] = float(error) if np.isfinite(error) else float("inf")
    return result


def check(name: str, exporter: str, tolerance: float, seed: int) -> bool:
    model = zoo.MODELS[name]
    module = zoo.perturb(model.build())
    inputs, target = model.draw(torch.Generator().manual_seed(seed))
    double = copy.deepcopy(module).double()
    expected = torch_gradients(double, inputs if model.tokens else inputs.double(), target)
    single = errors(torch_gradients(copy.deepcopy(module), inputs, target), expected)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = export(copy.deepcopy(module), inputs[:2], model.input, folder / "model.onnx", exporter)
        found = errors(headrace_gradients(path, folder, module, model.input, inputs, target), expected)
    worst = max(found, key=lambda key: found[key])
    passed = found[worst] <= tolerance
    print(f"{name:<16}{exporter:<13}{len(found) - 1:>4} parameters   worst {found[worst]:.1e} {worst:<30}"
          f" pytorch f32 {max(single.values()):.1e}   {'ok' if passed else 'TOO FAR'}", flush=True)
    return passed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mlp,lenet,resnet18_32,gpt_small,gpt_small_tied")
    parser.add_argument("--exporters", default=",".join(EXPORTERS))
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = [check(name, exporter, arguments.tolerance, arguments.seed)
               for name in arguments.models.split(",")
               for exporter in arguments.exporters.split(",")
               if exporter in KEEPS_BATCH_NORM or not zoo.MODELS[name].batch_norm]
    sys.exit(0 if all(results) else 1)
