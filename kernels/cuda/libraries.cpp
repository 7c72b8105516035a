#include "kernels/cuda/libraries.h"

#include <algorithm>
#include <map>

#include "graph/error.h"
#include "kernels/cuda/cublas_matmul.h"
#include "kernels/cuda/cudnn_families.h"

namespace headrace::cuda {

void check(cudnnStatus_t code, const char* what) {
  if (code != CUDNN_STATUS_SUCCESS)
    throw RunError("cuDNN: {}: {}", what, cudnnGetErrorString(code));
}

void check(cublasStatus_t code, const char* what) {
  if (code != CUBLAS_STATUS_SUCCESS)
    throw RunError("cuBLASLt: {}: {}", what, cublasLtGetStatusString(code));
}

namespace {

CudnnTarget start_cudnn(cudnnHandle_t& handle, size_t most_workspace) {
  int device = 0, major = 0, minor = 0;
  check(cudaGetDevice(&device), "find the device");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "ask it");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "ask it");
  check(cudnnCreate(&handle), "start");
  CudnnTarget target;
  target.handle = handle;
  target.sm_version = 10 * major + minor;
  target.most_workspace = most_workspace;
  return target;
}

}  // namespace

Libraries::Libraries(Queue queue, size_t most_workspace)
    : plans(start_cudnn(cudnn, most_workspace)) {
  check(cudnnSetStream(cudnn, queue), "take the device's queue");
  check(cublasLtCreate(&cublaslt), "start");
}

LibraryHandles::~LibraryHandles() {
  if (cublaslt != nullptr) cublasLtDestroy(cublaslt);
  if (cudnn != nullptr) cudnnDestroy(cudnn);
}

std::span<const Implementation> library_implementations(std::string_view op) {
  static const std::map<std::string_view, std::vector<Implementation>> table = {
      {"MatMul", {{"cuBLASLt", prepare_cublas_matmul}}},
      {"Conv", {{"cuDNN", prepare_cudnn_convolution}}},
      {"ConvInputGrad", {{"cuDNN", prepare_cudnn_convolution_input_gradient}}},
      {"ConvWeightGrad", {{"cuDNN", prepare_cudnn_convolution_weight_gradient}}},
      {"BatchNormalization", {{"cuDNN", prepare_cudnn_batch_normalization}}},
      {"BatchNormalizationGrad", {{"cuDNN", prepare_cudnn_batch_normalization_gradient}}},
      {"LayerNormalization", {{"cuDNN", prepare_cudnn_layer_normalization}}},
      {"LayerNormalizationGrad", {{"cuDNN", prepare_cudnn_layer_normalization_gradient}}},
      {"Attention", {{"cuDNN", prepare_cudnn_attention}}},
      {"AttentionGrad", {{"cuDNN", prepare_cudnn_attention_gradient}}},
  };
  const auto found = table.find(op);
  return found == table.end() ? std::span<const Implementation>() : found->second;
}

}  // namespace headrace::cuda
