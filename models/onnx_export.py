"""Exports PyTorch modules to ONNX so that every parameter stays what it is in the module.

PyTorch's default export is made for inference. It folds BatchNormalization into the convolution
before it, merges parameters that happen to be equal (all the ones of fresh normalisation layers)
and stores transposed copies of weights without their names. A model that is to be trained wants none
of that, so `export` asks for the plain translation and folds only what is constant anyway.

Needs torch, onnx and onnxscript (docs: bench/pytorch/README.md).
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx_ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.optimizer import fold_constants_ir


def _keep_weights(node: onnx_ir.Node) -> bool | None:
    """Leaves Transpose(weight) in place; everything else follows the folding pass's own rules."""
    return False if node.op_type == "Transpose" else None


def _drop_made_up_biases(graph: onnx.GraphProto, names: set[str]) -> None:
    """A convolution without a bias is exported with one of zeros, which would be trained as well."""
    made_up = {tensor.name for tensor in graph.initializer} - names
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in made_up:
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    unused = [tensor for tensor in graph.initializer if tensor.name not in used]
    for tensor in unused:
        graph.initializer.remove(tensor)


def strip_metadata(proto: onnx.ModelProto) -> None:
    """Drops stack traces and shapes of inner values: they name local files and triple the size."""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for item in (*proto.graph.node, *proto.graph.input, *proto.graph.output,
                 *proto.graph.initializer):
        if hasattr(item, "doc_string"):
            item.ClearField("doc_string")
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]


def export(module: torch.nn.Module, example: Sequence[torch.Tensor], path: Path | str,
           inputs: Sequence[str], output: str = "logits", opset: int | None = None) -> Path:
    """Writes `module` to `path`, weights inside, the first dimension of every input free as "batch".

    The same module, weights and package versions give the same bytes.
    """
    batch = torch.export.Dim("batch")
    logging.getLogger("torch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(), tuple(example), dynamo=True, optimize=False, verbose=False,
            input_names=list(inputs), output_names=[output], opset_version=opset,
            dynamic_shapes=tuple({0: batch} for _ in example))
    fold_constants_ir(program.model, onnx_shape_inference=True, should_fold=_keep_weights)
    RemoveUnusedNodesPass()(program.model)
    proto = onnx_ir.to_proto(program.model)
    _drop_made_up_biases(proto.graph, set(module.state_dict()))
    strip_metadata(proto)
    onnx.checker.check_model(proto, full_check=True)
    path = Path(path)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path
