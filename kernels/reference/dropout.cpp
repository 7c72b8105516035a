#include "kernels/philox.h"
#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// x -> y, [mask]
template <typename T>
Loop dropout_forward(const KernelRequest& request) {
  const double ratio = request.node->attributes.get_float("ratio");
  const int64_t seed = request.node->attributes.get_int("seed", 0);
  return [=, scale = static_cast<T>(dropout_scale(ratio)),
          count = request.output_types[0].elements()](const KernelArgs& args) {
    const DropoutDraw draw(ratio, seed, args.step ? *args.step : StepContext{});
    bool* mask = output<bool>(args, 1);
    for (int64_t i = 0; i < count; ++i) {
      const bool kept = draw.keeps_element(static_cast<uint64_t>(i));
      output<T>(args, 0)[i] = kept ? input<T>(args, 0)[i] * scale : T{0};
      if (mask) mask[i] = kept;
    }
  };
}

template <typename T>
Loop dropout_gradient(const KernelRequest& request) {
  const double ratio = request.node->attributes.get_float("ratio");
  return [scale = static_cast<T>(dropout_scale(ratio)),
          count = request.output_types[0].elements()](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i)
      output<T>(args, 0)[i] = input<bool>(args, 1)[i] ? input<T>(args, 0)[i] * scale : T{0};
  };
}

// -> y, uniform in [low, high)
template <typename T>
Loop uniform(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  return [low = static_cast<T>(a.get_float("low", 0)),
          high = static_cast<T>(a.get_float("high", 1)), seed = a.get_int("seed", 0),
          count = request.output_types[0].elements()](const KernelArgs& args) {
    const DropoutDraw draw(0, seed, args.step ? *args.step : StepContext{});
    for (int64_t i = 0; i < count; ++i) {
      const auto element = static_cast<uint64_t>(i);
      const T share = uniform_of(draw.block(element / 4).word[element % 4]);
      output<T>(args, 0)[i] = low + share * (high - low);
    }
  };
}

}  // namespace

Loop dropout(const KernelRequest& request) {
  if (request.node->op == "RandomUniform")
    return for_float(request.output_types.at(0).dtype,
                     [&]<typename T>() { return uniform<T>(request); });
  static constexpr Row rows[] = {
      {"Dropout", by_float<dropout_forward<float>, dropout_forward<double>>},
      {"DropoutGrad", by_float<dropout_gradient<float>, dropout_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
