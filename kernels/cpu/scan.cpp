#include <algorithm>
#include <functional>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"

namespace headrace::cpu {
namespace {

// Running sums or products along one axis, in double. Neighbouring lines go side by side, a block
// of them at a time.
template <typename Combine>
class ScanKernel : public Kernel {
 public:
  ScanKernel(const KernelRequest& request, double start) : start_(start) {
    const Attributes& a = request.node->attributes;
    const Shape& shape = request.input_types[0].shape;
    const auto axis = static_cast<size_t>(a.get_int("axis"));
    length_ = shape[axis];
    inner_ = element_count(std::span(shape).subspan(axis + 1));
    outer_ = element_count(std::span(shape).first(axis));
    exclusive_ = a.get_int("exclusive", 0) != 0;
    reverse_ = a.get_int("reverse", 0) != 0;
  }

  int in_place_input(size_t) const override { return 0; }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const int64_t blocks = (inner_ + kBlock - 1) / kBlock;
    parallel_ranges(outer_ * blocks, length_ * std::min(inner_, kBlock),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t b = begin; b < end; ++b) {
                        const int64_t column = b % blocks * kBlock;
                        const int64_t at = b / blocks * length_ * inner_ + column;
                        scan_block(x + at, y + at, std::min(kBlock, inner_ - column));
                      }
                    });
  }

 private:
  static constexpr int64_t kBlock = 16;

  void scan_block(const float* x, float* y, int64_t width) const {
    double totals[kBlock];
    std::fill_n(totals, kBlock, start_);
    for (int64_t i = 0; i < length_; ++i) {
      const int64_t row = (reverse_ ? length_ - 1 - i : i) * inner_;
      for (int64_t j = 0; j < width; ++j) {
        const double before = totals[j];
        totals[j] = Combine{}(before, static_cast<double>(x[row + j]));
        y[row + j] = static_cast<float>(exclusive_ ? before : totals[j]);
      }
    }
  }

  double start_;
  int64_t outer_ = 1, length_ = 1, inner_ = 1;
  bool exclusive_ = false, reverse_ = false;
};

}  // namespace

Prepared prepare_scan(const Context&, const KernelRequest& request) {
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  if (request.node->op == "CumSum")
    return std::make_unique<ScanKernel<std::plus<double>>>(request, 0);
  return std::make_unique<ScanKernel<std::multiplies<double>>>(request, 1);
}

}  // namespace headrace::cpu
