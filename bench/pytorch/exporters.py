"""How a module of the zoo becomes an ONNX file, and which initializer is which of its parameters.

    dynamo        torch.onnx.export as it is: BatchNormalization folded, equal parameters merged,
                  weights of three-dimensional products transposed and renamed (a small tied head
                  comes apart by it)
    plain         models/onnx_export.py: the dynamo exporter without those rewrites
    legacy        dynamo=False, training=TRAINING, no folding: BatchNormalization in training mode
    legacy-eval   dynamo=False as it is: as dynamo, and a tied head comes apart
"""

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))

import onnx_export  # noqa: E402

EXPORTERS = ("dynamo", "plain", "legacy", "legacy-eval")


def export(module: nn.Module, example: Tensor, name: str, path: Path, exporter: str,
           external: bool = False) -> Path:
    """Writes the file with input `name` and output `logits`; `external` puts weights beside it."""
    if exporter == "plain":
        return onnx_export.export(module, [example], path, [name])
    logging.getLogger("torch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(
                module.eval(), (example,), path, dynamo=True, verbose=False, input_names=[name],
                output_names=["logits"], external_data=external,
                dynamic_shapes=({0: torch.export.Dim("batch")},))
        else:
            training = exporter == "legacy"
            mode = torch.onnx.TrainingMode
            torch.onnx.export(
                module.train(training), (example,), path, dynamo=False, input_names=[name],
                output_names=["logits"], training=mode.TRAINING if training else mode.EVAL,
                do_constant_folding=not training,
                dynamic_axes={name: {0: "batch"}, "logits": {0: "batch"}})
    return path


@dataclass(frozen=True)
class Match:
    parameter: str  # the module's name for it
    transposed: bool


def match_parameters(path: Path, module: nn.Module) -> dict[str, Match]:
    """Which parameter each initializer of the file is: by name, else by equal contents.

    Needs parameters that differ from each other (zoo.perturb); initializers that are none are left out.
    """
    parameters = {name: p.detach().numpy() for name, p in module.named_parameters()}
    matches: dict[str, Match] = {}
    for tensor in onnx.load(path).graph.initializer:
        value = numpy_helper.to_array(tensor)
        if tensor.name in parameters and np.array_equal(parameters[tensor.name], value):
            matches[tensor.name] = Match(tensor.name, False)
            continue
        for name, parameter in parameters.items():
            if np.array_equal(parameter, value):
                matches[tensor.name] = Match(name, False)
            elif parameter.ndim == 2 and np.array_equal(parameter.T, value):
                matches[tensor.name] = Match(name, True)
    return matches
