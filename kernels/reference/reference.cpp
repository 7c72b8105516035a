#include "kernels/reference/reference.h"

#include <algorithm>

#include "kernels/reference/loop.h"

namespace headrace {
namespace {

using namespace reference;

constexpr MakeLoop kFamilies[] = {
    unary,
    unary_gradient,
    binary,
    comparison,
    cast,
    bits,
    reduction,
    softmax,
    layer_normalization,
    batch_normalization,
    matmul,
    attention,
    determinant,
    convolution,
    pooling,
    resampling,
    point_sampling,
    regions,
    gather,
    indexing,
    scan,
    top_k,
    movement,
    padding,
    lstm_sequence,
    gru_sequence,
    dropout,
    class_loss,
    pair_loss,
    update,
};

class ReferenceKernel : public Kernel {
 public:
  ReferenceKernel(Loop loop, std::vector<int> in_place)
      : loop_(std::move(loop)), in_place_(std::move(in_place)) {}
  int in_place_input(size_t output) const override {
    return output < in_place_.size() ? in_place_[output] : -1;
  }
  void run(const KernelArgs& args) const override { loop_(args); }

 private:
  Loop loop_;
  std::vector<int> in_place_;
};

// Runs the loop into the workspace where an output is to be added to, then adds.
class AccumulatingKernel : public Kernel {
 public:
  AccumulatingKernel(Loop loop, const KernelRequest& request) : loop_(std::move(loop)) {
    for (size_t i = 0; i < request.output_types.size(); ++i) {
      const TensorType& type = request.output_types[i];
      const bool adds = i < request.accumulate.size() && request.accumulate[i];
      outputs_.push_back({adds, workspace_, type.elements(), type.dtype});
      if (adds) workspace_ += (static_cast<size_t>(type.bytes()) + 63) / 64 * 64;
    }
    pointers_.resize(outputs_.size());
  }
  size_t workspace_bytes() const override { return workspace_; }
  void run(const KernelArgs& args) const override {
    for (size_t i = 0; i < outputs_.size(); ++i)
      pointers_[i] = outputs_[i].adds && args.outputs[i]
                         ? static_cast<std::byte*>(args.workspace) + outputs_[i].offset
                         : args.outputs[i];
    loop_({args.inputs, pointers_, nullptr, args.step});
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (!outputs_[i].adds || !args.outputs[i]) continue;
      if (outputs_[i].dtype == DType::f64)
        add<double>(pointers_[i], args.outputs[i], outputs_[i].elements);
      else
        add<float>(pointers_[i], args.outputs[i], outputs_[i].elements);
    }
  }

 private:
  template <typename T>
  static void add(const void* from, void* to, int64_t elements) {
    for (int64_t i = 0; i < elements; ++i) static_cast<T*>(to)[i] += static_cast<const T*>(from)[i];
  }

  struct Output {
    bool adds;
    size_t offset;
    int64_t elements;
    DType dtype;
  };
  Loop loop_;
  std::vector<Output> outputs_;
  size_t workspace_ = 0;
  mutable std::vector<void*> pointers_;  // a device's kernels run on one thread
};

std::vector<int> in_place_inputs(const std::string& op) {
  if (op == "SgdUpdate") return {0, 2};
  if (op == "LionUpdate" || op == "AdagradUpdate") return {0, 2};
  if (op == "AdamUpdate" || op == "LambUpdate" || op == "RmspropUpdate") return {0, 2, 3};
  if (op == "Reshape") return {0};
  return {};
}

}  // namespace

std::unique_ptr<Kernel> prepare_reference(const KernelRequest& request) {
  if (!all_row_major(request)) return nullptr;
  bool adds = false;
  for (size_t i = 0; i < request.accumulate.size(); ++i) {
    if (!request.accumulate[i]) continue;
    const DType dtype = request.output_types.at(i).dtype;
    if (dtype != DType::f32 && dtype != DType::f64) return nullptr;
    adds = true;
  }
  for (MakeLoop family : kFamilies) {
    Loop loop = family(request);
    if (!loop) continue;
    if (adds) return std::make_unique<AccumulatingKernel>(std::move(loop), request);
    return std::make_unique<ReferenceKernel>(std::move(loop), in_place_inputs(request.node->op));
  }
  return nullptr;
}

}  // namespace headrace
