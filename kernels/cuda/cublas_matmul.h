#pragma once

#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

// MatMul by cuBLASLt, in f32, f64, f16 and bf16, with sums in f32 or f64; bias and Relu ride along.
// By the library's first algorithm, or where the context tunes products by the one that is kept for
// it or found here and now, on the device: kernels are prepared before any step runs or is
// recorded.
Prepared prepare_cublas_matmul(const Context& context, const KernelRequest& request);

}  // namespace headrace::cuda
