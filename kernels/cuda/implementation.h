#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "kernels/cuda/queue.h"
#include "kernels/implementation.h"

namespace headrace::cuda {

struct Libraries;      // cuDNN's and cuBLASLt's handles; kernels/cuda/libraries.h
class Staging;         // kernels/cuda/host_kernel.h
struct ProductTuning;  // kernels/cuda/product_tuning.h

// What the kernels of one device share.
struct Context {
  Queue queue = {};
  bool tf32 = false;                         // products of f32 may round their factors to TF32
  const ProductTuning* tuning = nullptr;     // null: the first algorithm of each product is taken
  Libraries* libraries = nullptr;            // null in the twin, which runs no library
  Device* host = nullptr;                    // runs what has no kernel here
  Staging* staging = nullptr;                // pinned memory for that
  std::set<std::string>* detours = nullptr;  // operators that it was asked for
};

using Implementation = headrace::Implementation<Context>;
using OperatorEntry = headrace::OperatorEntry<Context>;
using PrepareFunction = Prepared (*)(const Context&, const KernelRequest&);
using ProposeFunction = LayoutProposal (*)(const Context&, const KernelRequest&);

// Operators that this backend has kernels of its own for, and how they want their values to lie;
// null for the others, which lie row-major.
const OperatorEntry* find_operator(std::string_view op);

// The first implementation that takes the request: `libraries`' (libraries.h; the twin has none),
// this backend's own, the host's. As Device::prepare.
std::unique_ptr<Kernel> prepare(const Context& context, const KernelRequest& request,
                                std::span<const Implementation> libraries);
LayoutProposal propose_layouts(const Context& context, const KernelRequest& request);

// A kernel of one step: what `run` does, on the context's queue.
template <typename Run>
class QueuedKernel : public Kernel {
 public:
  QueuedKernel(Run run, size_t workspace_bytes, int in_place)
      : run_(std::move(run)), workspace_bytes_(workspace_bytes), in_place_(in_place) {}
  size_t workspace_bytes() const override { return workspace_bytes_; }
  int in_place_input(size_t output) const override { return output == 0 ? in_place_ : -1; }
  void run(const KernelArgs& args) const override { run_(args); }

 private:
  Run run_;
  size_t workspace_bytes_;
  int in_place_;
};

// in_place: the input whose memory the first output may take over, -1: none.
template <typename Run>
std::unique_ptr<Kernel> make_kernel(Run run, int in_place = -1, size_t workspace_bytes = 0) {
  return std::make_unique<QueuedKernel<Run>>(std::move(run), workspace_bytes, in_place);
}

template <typename T>
const T* input(const KernelArgs& args, size_t i) {
  return static_cast<const T*>(args.inputs[i]);
}
template <typename T>
T* output(const KernelArgs& args, size_t o) {
  return static_cast<T*>(args.outputs[o]);
}

}  // namespace headrace::cuda
