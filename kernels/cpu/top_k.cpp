#include <algorithm>
#include <numeric>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"

namespace headrace::cpu {
namespace {

// The k first of each line in the order of value, of equals the one that stands first; NaN counts
// as greater than any number.
class TopKKernel : public Kernel {
 public:
  TopKKernel(const KernelRequest& request, int threads) : threads_(threads) {
    const Attributes& a = request.node->attributes;
    const Shape& shape = request.input_types[0].shape;
    const auto axis = static_cast<size_t>(a.get_int("axis"));
    length_ = shape[axis];
    inner_ = element_count(std::span(shape).subspan(axis + 1));
    lines_ = element_count(std::span(shape).first(axis)) * inner_;
    k_ = a.get_int("k");
    largest_ = a.get_int("largest", 1) != 0;
  }

  size_t workspace_bytes() const override {
    return static_cast<size_t>(threads_ * length_) * sizeof(int32_t);
  }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* values = static_cast<float*>(args.outputs[0]);
    auto* indices = static_cast<int64_t*>(args.outputs[1]);
    auto* orders = static_cast<int32_t*>(args.workspace);
    parallel_ranges(lines_, 4 * length_, [&](int64_t begin, int64_t end) {
      int32_t* order = orders + omp_get_thread_num() * length_;
      for (int64_t line = begin; line < end; ++line) {
        const int64_t outer = line / inner_, inner = line % inner_;
        const float* from = x + outer * length_ * inner_ + inner;
        select(from, order);
        for (int64_t i = 0; i < k_; ++i) {
          const int64_t to = (outer * k_ + i) * inner_ + inner;
          if (values != nullptr) values[to] = from[order[i] * inner_];
          if (indices != nullptr) indices[to] = order[i];
        }
      }
    });
  }

 private:
  static bool greater(float a, float b) { return a > b || (a != a && b == b); }
  // Whether b comes before a.
  bool swaps(float a, float b) const { return largest_ ? greater(b, a) : greater(a, b); }

  void select(const float* x, int32_t* order) const {
    if (k_ == 1) {
      int32_t best = 0;
      for (int64_t i = 1; i < length_; ++i)
        if (swaps(x[best * inner_], x[i * inner_])) best = static_cast<int32_t>(i);
      order[0] = best;
      return;
    }
    std::iota(order, order + length_, 0);
    std::partial_sort(order, order + k_, order + length_, [&](int32_t i, int32_t j) {
      const float a = x[i * inner_], b = x[j * inner_];
      return swaps(b, a) || (!swaps(a, b) && i < j);
    });
  }

  int threads_;
  int64_t lines_ = 1, length_ = 1, inner_ = 1, k_ = 1;
  bool largest_ = true;
};

}  // namespace

Prepared prepare_top_k(const Context& context, const KernelRequest& request) {
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  const TensorType& x = request.input_types[0];
  if (x.dtype != DType::f32) return refuse("not f32");
  if (x.elements() == 0 || x.elements() > INT32_MAX) return refuse("{} elements", x.elements());
  return std::make_unique<TopKKernel>(request, context.threads);
}

}  // namespace headrace::cpu
