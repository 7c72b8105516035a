#include "kernels/cuda/families.h"
#include "kernels/cuda/totals.h"
#include "kernels/cuda/types.h"
#include "kernels/functors/losses.h"

namespace headrace::cuda {
namespace {

enum class Pair : uint8_t { squared_error, cross_entropy, cross_entropy_with_logits };

HEADRACE_HOST_DEVICE float loss_of(Pair pair, float x, float target) {
  using namespace portable;
  if (pair == Pair::squared_error) return SquaredError{}.loss(x, target);
  if (pair == Pair::cross_entropy) return BinaryCrossEntropy{}.loss(x, target);
  return BinaryCrossEntropyWithLogits{}.loss(x, target);
}
HEADRACE_HOST_DEVICE float slope_of(Pair pair, float x, float target) {
  using namespace portable;
  if (pair == Pair::squared_error) return SquaredError{}.gradient(x, target);
  if (pair == Pair::cross_entropy) return BinaryCrossEntropy{}.gradient(x, target);
  return BinaryCrossEntropyWithLogits{}.gradient(x, target);
}

template <typename T>
struct PairLosses {
  static constexpr int kTotals = 1;
  const T *x, *target;
  Pair pair;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t i, double (&totals)[1]) const {
    totals[0] += static_cast<double>(loss_of(pair, to_f32(x[i]), to_f32(target[i])));
  }
};
struct PutLoss {
  FloatWriter loss;
  double factor;
  HEADRACE_HOST_DEVICE void operator()(int64_t, const double (&totals)[1]) const {
    loss.set(0, totals[0] * factor);
  }
};

template <typename T>
struct EachLoss {
  const T *x, *target;
  float* loss;
  Pair pair;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    loss[i] = loss_of(pair, to_f32(x[i]), to_f32(target[i]));
  }
};

template <typename T>
struct PairGradient {
  const float* dloss;
  const T *x, *target;
  T* dx;
  Pair pair;
  bool reduced;
  float factor;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    dx[i] = from_f32<T>(dloss[reduced ? 0 : i] * factor *
                        slope_of(pair, to_f32(x[i]), to_f32(target[i])));
  }
};

Pair pair_of(std::string_view op) {
  if (op.starts_with("MeanSquaredError")) return Pair::squared_error;
  return op.starts_with("BinaryCrossEntropyWithLogits") ? Pair::cross_entropy_with_logits
                                                        : Pair::cross_entropy;
}

std::string refusal_of(const KernelRequest& request, size_t x) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  if (request.input_types[x].elements() == 0) return "empty";
  return {};
}

}  // namespace

Prepared prepare_pair_loss(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request, 0); !why.empty()) return refuse("{}", why);
  const int64_t count = request.input_types[0].elements();
  const std::string reduction = request.node->attributes.get_string("reduction", "mean");
  const bool reduced = reduction != "none";
  const double factor = reduction == "mean" ? 1 / static_cast<double>(count) : 1;
  const Pair pair = pair_of(request.node->op);
  const Cut cut(1, count, true);
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request)](const KernelArgs& args) {
          const T *x = input<T>(args, 0), *target = input<T>(args, 1);
          if (reduced)
            run_totals(queue, cut, PairLosses<T>{x, target, pair},
                       PutLoss{operands.out(args, 0), factor}, args.workspace);
          else
            for_each(queue, count, EachLoss<T>{x, target, output<float>(args, 0), pair});
        },
        -1, cut.bytes(1));
  });
}

Prepared prepare_pair_loss_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request, 1); !why.empty()) return refuse("{}", why);
  const int64_t count = request.output_types[0].elements();
  const std::string reduction = request.node->attributes.get_string("reduction", "mean");
  const bool reduced = reduction != "none";
  const auto factor = static_cast<float>(reduction == "mean" ? 1 / static_cast<double>(count) : 1);
  const Pair pair = pair_of(request.node->op);
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue](const KernelArgs& args) {
          for_each(queue, count,
                   PairGradient<T>{input<float>(args, 0), input<T>(args, 1), input<T>(args, 2),
                                   output<T>(args, 0), pair, reduced, factor});
        },
        1);
  });
}

}  // namespace headrace::cuda
