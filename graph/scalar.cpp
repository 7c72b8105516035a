#include "graph/scalar.h"

namespace headrace {

HostTensor scalar_of(DType dtype, double value) {
  if (dtype == DType::f32) return scalar_tensor(static_cast<float>(value));
  if (dtype == DType::f64) return scalar_tensor(value);
  throw Error("a gradient needs f32 or f64 tensors, not {}", name_of(dtype));
}

}  // namespace headrace
