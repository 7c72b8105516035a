#include "kernels/cuda/libraries.h"

#include <algorithm>
#include <map>

#include "graph/error.h"
#include "kernels/cuda/cublas_matmul.h"

namespace headrace::cuda {

void check(cudnnStatus_t code, const char* what) {
  if (code != CUDNN_STATUS_SUCCESS)
    throw RunError("cuDNN: {}: {}", what, cudnnGetErrorString(code));
}

void check(cublasStatus_t code, const char* what) {
  if (code != CUBLAS_STATUS_SUCCESS)
    throw RunError("cuBLASLt: {}: {}", what, cublasLtGetStatusString(code));
}

Libraries::Libraries(Queue queue) {
  check(cudnnCreate(&cudnn), "start");
  check(cudnnSetStream(cudnn, queue), "take the device's queue");
  check(cublasLtCreate(&cublaslt), "start");
}

Libraries::~Libraries() {
  if (cublaslt != nullptr) cublasLtDestroy(cublaslt);
  if (cudnn != nullptr) cudnnDestroy(cudnn);
}

std::span<const Implementation> library_implementations(std::string_view op) {
  static const std::map<std::string_view, std::vector<Implementation>> table = {
      {"MatMul", {{"cuBLASLt", prepare_cublas_matmul}}},
  };
  const auto found = table.find(op);
  return found == table.end() ? std::span<const Implementation>() : found->second;
}

}  // namespace headrace::cuda
