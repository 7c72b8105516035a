#include <algorithm>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"
#include "kernels/philox.h"

namespace headrace::cpu {
namespace {

class DropoutKernel : public Kernel {
 public:
  DropoutKernel(double ratio, int64_t seed, int64_t count)
      : ratio_(ratio), seed_(seed), count_(count) {}
  int in_place_input(size_t output) const override { return output == 0 ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    auto* mask = args.outputs.size() > 1 ? static_cast<uint8_t*>(args.outputs[1]) : nullptr;
    const DropoutDraw draw(ratio_, seed_, args.step ? *args.step : StepContext{});
    const auto scale = static_cast<float>(dropout_scale(ratio_));
    constexpr int64_t kAlign = 256, kCost = 8;
    parallel_ranges(
        count_, kCost,
        [&](int64_t begin, int64_t end) {
          vector_table().movement->dropout(x + begin, y + begin, mask ? mask + begin : nullptr,
                                           begin, end - begin, &draw, scale);
        },
        kAlign);
  }

 private:
  double ratio_;
  int64_t seed_, count_;
};

class DropoutGradientKernel : public Kernel {
 public:
  DropoutGradientKernel(double ratio, int64_t count)
      : scale_(static_cast<float>(dropout_scale(ratio))), count_(count) {}
  int in_place_input(size_t) const override { return 0; }

  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    const auto* mask = static_cast<const uint8_t*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        count_, 1,
        [&](int64_t begin, int64_t end) {
          vector_table().movement->masked_scale(dy + begin, mask + begin, dx + begin, end - begin,
                                                scale_);
        },
        64);
  }

 private:
  float scale_;
  int64_t count_;
};

class UniformKernel : public Kernel {
 public:
  explicit UniformKernel(const KernelRequest& request)
      : low_(static_cast<float>(request.node->attributes.get_float("low", 0))),
        high_(static_cast<float>(request.node->attributes.get_float("high", 1))),
        seed_(request.node->attributes.get_int("seed", 0)),
        count_(request.output_types[0].elements()) {}

  void run(const KernelArgs& args) const override {
    auto* y = static_cast<float*>(args.outputs[0]);
    const DropoutDraw draw(0, seed_, args.step ? *args.step : StepContext{});
    constexpr int64_t kWords = 4, kCost = 8;
    parallel_ranges(
        count_, kCost,
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i += kWords) {
            const PhiloxBlock block = draw.block(static_cast<uint64_t>(i / kWords));
            for (int64_t w = 0; w < std::min(kWords, end - i); ++w)
              y[i + w] = low_ + uniform_of(block.word[w]) * (high_ - low_);
          }
        },
        kWords);
  }

 private:
  float low_, high_;
  int64_t seed_, count_;
};

}  // namespace

Prepared prepare_random_uniform(const Context&, const KernelRequest& request) {
  if (!all_row_major(request)) return refuse("makes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.output_types[0].dtype != DType::f32) return refuse("not f32");
  return std::make_unique<UniformKernel>(request);
}

// Row-major only: an element's place decides what it draws.
Prepared prepare_dropout(const Context&, const KernelRequest& request) {
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  const Attributes& a = request.node->attributes;
  return std::make_unique<DropoutKernel>(a.get_float("ratio"), a.get_int("seed", 0),
                                         request.input_types[0].elements());
}

Prepared prepare_dropout_gradient(const Context&, const KernelRequest& request) {
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  return std::make_unique<DropoutGradientKernel>(request.node->attributes.get_float("ratio"),
                                                 request.input_types[0].elements());
}

}  // namespace headrace::cpu
