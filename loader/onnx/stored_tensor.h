#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <optional>

#include "graph/host_tensor.h"
#include "loader/onnx/external_data.h"

namespace headrace {

// Tensors that a model holds in other forms than a dense TensorProto. All throw Error naming the
// tensor where its contents do not fit, before memory is taken.

// The dense form: zeros but for the given values, whose indices are linear or one per axis.
HostTensor read_sparse(const onnx::SparseTensorProto& proto, ExternalData& external);

// What a Constant node holds; empty where that is no tensor of numbers.
std::optional<HostTensor> read_constant(const onnx::NodeProto& node,
                                        std::shared_ptr<const void> owner, ExternalData& external);

// What a ConstantOfShape node makes for `shape`.
HostTensor read_filled(const onnx::NodeProto& node, const Shape& shape);

}  // namespace headrace
