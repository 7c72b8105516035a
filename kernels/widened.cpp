#include "kernels/widened.h"

#include <algorithm>

#include "graph/error.h"
#include "kernels/functors/floats.h"
#include "kernels/implementation.h"

namespace headrace {
namespace {

using portable::BFloat16, portable::Float16;

constexpr size_t kLine = 64;

template <typename T>
void widen_all(const void* narrow, float* wide, int64_t count) {
  const auto* from = static_cast<const T*>(narrow);
  for (int64_t i = 0; i < count; ++i) wide[i] = portable::to_f32(from[i]);
}

template <typename T>
void narrow_all(const float* wide, void* narrow, int64_t count) {
  auto* to = static_cast<T*>(narrow);
  for (int64_t i = 0; i < count; ++i) to[i] = portable::from_f32<T>(wide[i]);
}

class WidenedKernel : public Kernel {
 public:
  WidenedKernel(const KernelRequest& request, std::unique_ptr<Kernel> kernel)
      : kernel_(std::move(kernel)) {
    for (const TensorType& type : request.input_types) inputs_.push_back(staged(type));
    for (const TensorType& type : request.output_types) outputs_.push_back(staged(type));
    input_pointers_.resize(inputs_.size());
    output_pointers_.resize(outputs_.size());
  }

  size_t workspace_bytes() const override { return kernels_end() + staged_bytes_; }

  void run(const KernelArgs& args) const override {
    auto* memory = static_cast<std::byte*>(args.workspace) + kernels_end();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      input_pointers_[i] = args.inputs[i];
      if (args.inputs[i] == nullptr || !is_narrow_float(inputs_[i].dtype)) continue;
      auto* wide = reinterpret_cast<float*>(memory + inputs_[i].offset);
      widen(inputs_[i].dtype, args.inputs[i], wide, inputs_[i].count);
      input_pointers_[i] = wide;
    }
    for (size_t o = 0; o < outputs_.size(); ++o)
      output_pointers_[o] = args.outputs[o] != nullptr && is_narrow_float(outputs_[o].dtype)
                                ? memory + outputs_[o].offset
                                : args.outputs[o];
    kernel_->run({input_pointers_, output_pointers_, args.workspace, args.step});
    for (size_t o = 0; o < outputs_.size(); ++o)
      if (args.outputs[o] != nullptr && is_narrow_float(outputs_[o].dtype))
        narrow(outputs_[o].dtype, static_cast<const float*>(output_pointers_[o]), args.outputs[o],
               outputs_[o].count);
  }

 private:
  struct Staged {
    DType dtype;
    int64_t count;
    size_t offset;
  };

  size_t kernels_end() const { return (kernel_->workspace_bytes() + kLine - 1) / kLine * kLine; }

  Staged staged(const TensorType& type) {
    const Staged staged{type.dtype, type.elements(), staged_bytes_};
    if (is_narrow_float(type.dtype))
      staged_bytes_ +=
          (static_cast<size_t>(type.elements()) * sizeof(float) + kLine - 1) / kLine * kLine;
    return staged;
  }

  std::unique_ptr<Kernel> kernel_;
  std::vector<Staged> inputs_, outputs_;
  size_t staged_bytes_ = 0;
  mutable std::vector<const void*> input_pointers_;  // a device's kernels run one after the other
  mutable std::vector<void*> output_pointers_;
};

}  // namespace

void widen(DType from, const void* narrow, float* wide, int64_t count) {
  if (from == DType::bf16)
    widen_all<BFloat16>(narrow, wide, count);
  else
    widen_all<Float16>(narrow, wide, count);
}

void narrow(DType to, const float* wide, void* narrow, int64_t count) {
  if (to == DType::bf16)
    narrow_all<BFloat16>(wide, narrow, count);
  else
    narrow_all<Float16>(wide, narrow, count);
}

bool has_narrow_floats(const KernelRequest& request) {
  const auto narrow = [](const TensorType& type) { return is_narrow_float(type.dtype); };
  return std::ranges::any_of(request.input_types, narrow) ||
         std::ranges::any_of(request.output_types, narrow);
}

std::unique_ptr<Kernel> prepare_widened(
    const KernelRequest& request,
    const std::function<std::unique_ptr<Kernel>(const KernelRequest&)>& prepare) {
  HEADRACE_CHECK(all_row_major(request), "{}", request.node->op);
  KernelRequest wide = request;
  for (TensorType& type : wide.input_types)
    if (is_narrow_float(type.dtype)) type.dtype = DType::f32;
  for (size_t o = 0; o < wide.output_types.size(); ++o) {
    if (!is_narrow_float(wide.output_types[o].dtype)) continue;
    if (accumulates(request, o)) return nullptr;
    wide.output_types[o].dtype = DType::f32;
  }
  for (HostTensor& constant : wide.constants)
    if (constant && is_narrow_float(constant.type.dtype)) constant = {};
  auto kernel = prepare(wide);
  if (kernel == nullptr) return nullptr;
  return std::make_unique<WidenedKernel>(request, std::move(kernel));
}

}  // namespace headrace
