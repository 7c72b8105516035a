#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "loader/model.h"

namespace headrace {

struct BoundDimensions {
  std::map<std::string, Shape> shapes;  // of every tensor input that is not an initializer
  std::string batch_dimension;          // what `batch` bound
  std::vector<std::string> unbound;     // free dimensions that no option binds
};

// Binds the free dimensions of the inputs by `options.bind` and `options.batch`. A dimension
// without a name is called "input:axis"; the unnamed leading ones of all inputs count as one batch.
// Throws Error for an option that binds nothing, or differently from the model or from another
// option. `shapes` lacks the inputs that have something unbound.
BoundDimensions bind_dimensions(const onnx::GraphProto& graph, const LoadOptions& options);

}  // namespace headrace
