#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <optional>

#include "graph/host_tensor.h"
#include "loader/onnx/external_data.h"

namespace headrace {

std::optional<DType> dtype_of_onnx(
    int32_t element_type);  // empty: string, complex, 4 and 8 bit floats, ...
int32_t onnx_of_dtype(DType dtype);
std::string onnx_type_name(int32_t element_type);  // "FLOAT8E4M3FN"

// The tensor's type after checking that dimensions are not negative and that the file holds as many
// bytes as they ask for; nothing is allocated before. Throws Error naming the tensor.
TensorType tensor_type(const onnx::TensorProto& proto);

// The contents, in place where they lie aligned: in `owner` (the message that `proto` belongs to)
// or in a mapped external file; otherwise converted into fresh memory. Throws Error naming the
// tensor.
HostTensor read_tensor(const onnx::TensorProto& proto, std::shared_ptr<const void> owner,
                       ExternalData& external);

// Replaces type, dimensions and contents; name and documentation stay.
void write_tensor(const HostTensor& tensor, onnx::TensorProto& proto);

}  // namespace headrace
