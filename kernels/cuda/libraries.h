#pragma once

#include <cublasLt.h>
#include <cudnn.h>

#include <span>
#include <string_view>

#include "kernels/cuda/cudnn_graphs.h"
#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

struct LibraryHandles {
  cudnnHandle_t cudnn = nullptr;
  cublasLtHandle_t cublaslt = nullptr;

  LibraryHandles() = default;
  ~LibraryHandles();
  LibraryHandles(const LibraryHandles&) = delete;
  LibraryHandles& operator=(const LibraryHandles&) = delete;
};

// NVIDIA's libraries as one device uses them. Plans end before their handle.
struct Libraries : LibraryHandles {
  // For the current device's queue.
  Libraries(Queue queue, size_t most_workspace);
  // Without a device: kernels can be prepared, for the device that is described, and none can run.
  explicit Libraries(CudnnTarget described) : plans(std::move(described)) {}

  // The one limit for all that the libraries run: CudnnTarget's.
  size_t most_workspace() const { return plans.target().most_workspace; }

  CudnnPlans plans;
};

// Their implementations of an operator, fastest first, asked before this backend's own kernels.
std::span<const Implementation> library_implementations(std::string_view op);

// As Device::fuses: whether cuDNN plans an Attention node for this device, and its gradient.
bool fuses_attention(const Context& context, const KernelRequest& request);

// A library call's failure as a RunError that says what was tried.
void check(cudnnStatus_t code, const char* what);
void check(cublasStatus_t code, const char* what);

}  // namespace headrace::cuda
