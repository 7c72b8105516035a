#pragma once

#include <string>

#include "graph/host_tensor.h"

namespace headrace {

// A file that holds one ONNX tensor (a TensorProto), as in the data sets of ONNX's backend tests.
// Throws Error naming the file: unreadable, not a tensor or cut short, elements of a type that is
// not supported, contents that are not as many as its shape asks for.
HostTensor read_tensor_file(const std::string& path);

}  // namespace headrace
