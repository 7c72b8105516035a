"""Writes ONNX's node cases, which onnx.backend.test makes in memory, as folders that hold a model
and its data sets: FOLDER/node for the operators, FOLDER/expanded for the function bodies. Files name
the cases of FOLDER/node with a float32 input and a float32 output: FOLDER/differentiable.txt those of
operators that any version of ONNX tags as differentiable, FOLDER/untagged.txt the others.

    dump_cases.py FOLDER

A folder that this version of onnx has filled before is left as it is.
"""

import pathlib
import shutil
import sys
import warnings

import numpy
import onnx
from onnx import numpy_helper


def write_tensor(path, value, name):
    # What is no tensor (a sequence, an optional that is empty) leaves an empty file in its place.
    data = b""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        data = numpy_helper.from_array(numpy.asarray(value), name).SerializeToString()
    elif isinstance(value, onnx.TensorProto):
        data = value.SerializeToString()
    path.write_bytes(data)


def write_case(folder, case):
    folder.mkdir(parents=True)
    onnx.save(case.model, folder / "model.onnx")
    graph = case.model.graph
    for n, (inputs, outputs) in enumerate(case.data_sets):
        data_set = folder / f"test_data_set_{n}"
        data_set.mkdir()
        for kind, values, infos in ("input", inputs, graph.input), ("output", outputs, graph.output):
            for k, (value, info) in enumerate(zip(values, infos)):
                write_tensor(data_set / f"{kind}_{k}.pb", value, info.name)


def differentiable_operators():
    """Operators with an input and an output that some version of their schema tags so."""
    tag = onnx.defs.OpSchema.DifferentiationCategory.Differentiable
    return {(schema.domain, schema.name)
            for schema in onnx.defs.get_all_schemas_with_history()
            if any(i.differentiation_category == tag for i in schema.inputs)
            and any(o.differentiation_category == tag for o in schema.outputs)}


def takes_and_gives_floats(graph):
    return all(any(info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for info in infos)
               for infos in (graph.input, graph.output))


def main(folder):
    stamp = folder / "version"
    if stamp.exists() and stamp.read_text() == onnx.__version__:
        return
    if folder.exists():
        shutil.rmtree(folder)
    warnings.simplefilter("ignore")  # the cases divide by zero on purpose
    from onnx.backend.test.loader import load_node_model_tests

    tagged = differentiable_operators()
    names = {"differentiable": [], "untagged": []}
    for case in load_node_model_tests():
        suite = "expanded" if "_expanded" in case.name else "node"
        write_case(folder / suite / case.name, case)
        graph = case.model.graph
        if suite == "node" and takes_and_gives_floats(graph):
            own = any((node.domain, node.op_type) in tagged for node in graph.node)
            names["differentiable" if own else "untagged"].append(case.name)
    for kind, cases in names.items():
        (folder / f"{kind}.txt").write_text("".join(f"{name}\n" for name in cases))
    stamp.write_text(onnx.__version__)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
