#pragma once

#include <memory>

#include "kernels/kernel.h"

namespace headrace::cpu {

// Elements of input 0 that are seen through strides and written through strides, in elements.
// Strides may be negative, and 0 on the side that is read.
struct StridedCopy {
  Shape shape;  // of the loop nest
  Shape x_strides, y_strides;
  int64_t x_base = 0, y_base = 0;
  int64_t filled = 0;  // so many elements of the output are set to `value` first
  double value = 0;
};

// `dtype` of both sides; a value to fill with is rounded to it.
std::unique_ptr<Kernel> make_strided_copy(DType dtype, const StridedCopy& copy);

}  // namespace headrace::cpu
