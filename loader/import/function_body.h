#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <optional>
#include <vector>

#include "graph/tensor_type.h"

namespace headrace {

// What ONNX's own definition of the node's operator says that it computes, as a graph of other
// operators: its inputs and outputs are those of the node, in order, the node's attributes are put
// where the body refers to them. Null where the operator is not defined so, or its body needs
// another operator set than the model has. `inputs`: types as the file has them, empty where an
// input is left out or is no tensor.
std::shared_ptr<const onnx::GraphProto> function_body(
    const onnx::ModelProto& model, const onnx::NodeProto& node,
    const std::vector<std::optional<TensorType>>& inputs);

// Whether ONNX defines the node's operator by others, in some version.
bool is_defined_by_others(const onnx::NodeProto& node);

}  // namespace headrace
