#include "kernels/cuda/cublas_scratch.h"

#include "kernels/implementation.h"

namespace headrace::cuda {
namespace {

// 0.01 as f32 and bf16, 1.06 as f16: zeros would let the device run faster than it does.
constexpr int kByte = 0x3c;

}  // namespace

Scratch::Scratch(Queue queue, const KernelRequest& request, size_t workspace_bytes)
    : queue_(queue) {
  for (size_t i = 0; i < request.input_types.size(); ++i)
    inputs_.push_back(has_input(request, i)
                          ? take(static_cast<size_t>(request.input_types[i].bytes()))
                          : nullptr);
  for (size_t o = 0; o < request.output_types.size(); ++o)
    outputs_.push_back(has_output(request, o)
                           ? take(static_cast<size_t>(request.output_types[o].bytes()))
                           : nullptr);
  workspace_ = take(workspace_bytes);
}

void* Scratch::take(size_t bytes) {
  if (!is_there_ || bytes == 0) return nullptr;
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, bytes);
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    is_there_ = false;
    return nullptr;
  }
  check(code, "allocate memory");
  memory_.emplace_back(data, bytes, [](void* memory) { cudaFree(memory); });
  check(cudaMemsetAsync(data, kByte, bytes, queue_), "fill memory");
  return data;
}

}  // namespace headrace::cuda
