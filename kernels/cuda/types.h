#pragma once

#include "graph/dtype.h"
#include "kernels/functors/floats.h"
#include "kernels/implementation.h"

namespace headrace::cuda {

using portable::BFloat16, portable::Float16, portable::from_f32, portable::to_f32;

// f(T{}) with the type that stores `dtype`, one of f32, f16 and bf16; a refusal for all others.
template <typename F>
Prepared with_float_type(DType dtype, const F& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f16:
      return f(Float16{});
    case DType::bf16:
      return f(BFloat16{});
    default:
      return refuse("no kernel for {}", name_of(dtype));
  }
}

}  // namespace headrace::cuda
