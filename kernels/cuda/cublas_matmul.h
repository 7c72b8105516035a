#pragma once

#include "kernels/cuda/implementation.h"
#include "kernels/cuda/product_plan.h"

namespace headrace::cuda {

struct Epilogue {
  bool bias = false, relu = false;
};

// MatMul by cuBLASLt, in f32, f64, f16 and bf16, with sums in f32 or f64; bias and Relu ride along.
Prepared prepare_cublas_matmul(const Context& context, const KernelRequest& request);

}  // namespace headrace::cuda
