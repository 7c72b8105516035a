#pragma once

#include <utility>
#include <vector>

#include "graph/host_tensor.h"

namespace headrace {

inline HostTensor floats(Shape shape, std::vector<float> values) {
  return make_host_tensor<float>(std::move(shape), values);
}

}  // namespace headrace
