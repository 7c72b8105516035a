#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// parameter, gradient, states... -> parameter, states..., each element by itself. `Loop` is called
// as loop(context, inputs, outputs, n) with the pointers of one range.
template <typename Loop>
class AdaptiveUpdateKernel : public Kernel {
 public:
  AdaptiveUpdateKernel(const Loop& loop, int64_t count) : loop_(loop), count_(count) {}

  int in_place_input(size_t output) const override {
    return output == 0 ? 0 : static_cast<int>(output) + 1;
  }

  void run(const KernelArgs& args) const override {
    const StepContext context = args.step ? *args.step : StepContext{};
    parallel_ranges(
        count_, 4,
        [&](int64_t begin, int64_t end) {
          const auto in = [&](size_t i) -> const float* {
            if (i >= args.inputs.size() || args.inputs[i] == nullptr) return nullptr;
            return static_cast<const float*>(args.inputs[i]) + begin;
          };
          const auto out = [&](size_t i) -> float* {
            if (i >= args.outputs.size() || args.outputs[i] == nullptr) return nullptr;
            return static_cast<float*>(args.outputs[i]) + begin;
          };
          loop_(context, in, out, end - begin);
        },
        16);
  }

 private:
  Loop loop_;
  int64_t count_;
};

template <typename Loop>
Prepared prepare(const KernelRequest& request, const Loop& loop) {
  if (std::string why = refusal_of_update(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<AdaptiveUpdateKernel<Loop>>(
      loop, stored_elements(request.input_types[0], request.input_layouts[0]));
}

}  // namespace

Prepared prepare_lion(const Context&, const KernelRequest& request) {
  return prepare(request, [a = request.node->attributes](const StepContext& context, auto in,
                                                         auto out, int64_t n) {
    vector_table().update->lion(in(0), in(1), in(2), out(0), out(1), n, lion_step(a, context));
  });
}

Prepared prepare_rmsprop(const Context&, const KernelRequest& request) {
  if (has_input(request, 3) != has_output(request, 2)) return refuse("a momentum left out");
  return prepare(request, [a = request.node->attributes](const StepContext& context, auto in,
                                                         auto out, int64_t n) {
    vector_table().update->rmsprop(in(0), in(1), in(2), in(3), out(0), out(1), out(2), n,
                                   rmsprop_step(a, context));
  });
}

Prepared prepare_adagrad(const Context&, const KernelRequest& request) {
  return prepare(request, [a = request.node->attributes](const StepContext& context, auto in,
                                                         auto out, int64_t n) {
    vector_table().update->adagrad(in(0), in(1), in(2), out(0), out(1), n,
                                   adagrad_step(a, context));
  });
}

}  // namespace headrace::cpu
