#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// Norms are summed block by block, so that they do not depend on the number of threads. Padding of
// a blocked layout is zero and adds nothing.
class LambKernel : public Kernel {
 public:
  LambKernel(const Attributes& attributes, int64_t count)
      : attributes_(attributes), count_(count) {}

  size_t workspace_bytes() const override {
    return 2 * static_cast<size_t>(blocks()) * sizeof(double);
  }
  int in_place_input(size_t output) const override {
    constexpr int kInputs[] = {0, 2, 3};
    return kInputs[output];
  }

  void run(const KernelArgs& args) const override {
    const StepContext context = args.step ? *args.step : StepContext{};
    const LambStep step = lamb_step(attributes_, context);
    const auto in = [&](size_t i) { return static_cast<const float*>(args.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(args.outputs[i]); };
    const vector::UpdateTable& loops = *vector_table().update;

    auto* parts = static_cast<double*>(args.workspace);
    each_block([&](int64_t block, int64_t at, int64_t n) {
      loops.lamb_moments(in(0) + at, in(1) + at, in(2) + at, in(3) + at, out(1) + at, out(2) + at,
                         n, step, parts + 2 * block, parts + 2 * block + 1);
    });
    double of_parameter = 0, of_direction = 0;
    for (int64_t b = 0; b < blocks(); ++b) {
      of_parameter += parts[2 * b];
      of_direction += parts[2 * b + 1];
    }
    const bool scaled = of_parameter > 0 && of_direction > 0;
    const double ratio = scaled ? std::sqrt(of_parameter / of_direction) : 1;
    const auto length = static_cast<float>(context.learning_rate * ratio);
    each_block([&](int64_t, int64_t at, int64_t n) {
      loops.lamb_parameter(in(0) + at, out(1) + at, out(2) + at, out(0) + at, n, step, length);
    });
  }

 private:
  static constexpr int64_t kBlock = 1 << 14;
  int64_t blocks() const { return (count_ + kBlock - 1) / kBlock; }

  template <typename Body>
  void each_block(Body body) const {
    parallel_ranges(blocks(), 4 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        body(b, b * kBlock, std::min(kBlock, count_ - b * kBlock));
    });
  }

  Attributes attributes_;
  int64_t count_;
};

}  // namespace

Prepared prepare_lamb(const Context&, const KernelRequest& request) {
  if (std::string why = refusal_of_update(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<LambKernel>(
      request.node->attributes, stored_elements(request.input_types[0], request.input_layouts[0]));
}

}  // namespace headrace::cpu
