#pragma once

#include <vector>

#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

// Device memory for the operands of a kernel that is timed, with small numbers of any float type
// in it, and for its workspace. It is gone with the object; what was asked for with it is over
// then.
class Scratch {
 public:
  Scratch(Queue queue, const KernelRequest& request, size_t workspace_bytes);

  // False where the device has no room for it; `args` are of no use then.
  bool is_there() const { return is_there_; }
  KernelArgs args() const { return {inputs_, outputs_, workspace_, &step_}; }

 private:
  void* take(size_t bytes);

  const Queue queue_;
  bool is_there_ = true;
  std::vector<Buffer> memory_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  void* workspace_ = nullptr;
  StepContext step_;
};

}  // namespace headrace::cuda
