#pragma once

#include "graph/host_tensor.h"

namespace headrace {

// A number as a tensor of shape []. Throws Error for a dtype other than f32 and f64: those are what
// a model can be trained in.
HostTensor scalar_of(DType dtype, double value);

}  // namespace headrace
