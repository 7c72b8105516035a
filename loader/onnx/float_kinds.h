#pragma once

#include "graph/host_tensor.h"

namespace headrace {

// In which dtype values of a file's dtype are computed: the 16-bit floats in f32, with
// `double_as_single` f64 too.
struct ComputedTypes {
  bool double_as_single = false;

  DType of(DType stored) const {
    return is_narrow_float(stored) || (double_as_single && stored == DType::f64) ? DType::f32
                                                                                 : stored;
  }
};

// Whether the graph may hold a tensor of the file's dtype `stored` as `computed`.
constexpr bool widens(DType stored, DType computed) {
  return computed == DType::f32 && (is_narrow_float(stored) || stored == DType::f64);
}

// The tensor itself where it has that dtype, else its values rounded to the nearest. Between float
// dtypes only.
HostTensor converted(const HostTensor& tensor, DType dtype);

}  // namespace headrace
