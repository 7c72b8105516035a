#include <algorithm>
#include <cmath>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// A loss between x and a target t of the same shape: a term per element and its derivative in x.
struct Term {
  double (*value)(double x, double t);
  double (*derivative)(double x, double t);
};

constexpr Term kSquaredError = {[](double x, double t) { return (x - t) * (x - t); },
                                [](double x, double t) { return 2 * (x - t); }};

// PyTorch's bounds: logarithms from -100 on, and 1e-12 under the derivative's fraction.
constexpr Term kCrossEntropy = {
    [](double x, double t) {
      return -(t * std::max(std::log(x), -100.0) + (1 - t) * std::max(std::log1p(-x), -100.0));
    },
    [](double x, double t) { return (x - t) / std::max(x * (1 - x), 1e-12); }};

constexpr Term kCrossEntropyWithLogits = {
    [](double x, double t) {
      return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::fabs(x)));
    },
    [](double x, double t) {
      return (x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x))) - t;
    }};

template <typename T, const Term& term>
Loop pair_loss_forward(const KernelRequest& request) {
  const std::string reduction = request.node->attributes.get_string("reduction", "mean");
  return [=, count = request.input_types[0].elements(),
          loss_dtype = request.output_types[0].dtype](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    const T* t = input<T>(args, 1);
    const FloatWriter loss(args.outputs[0], loss_dtype);
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double value = term.value(x[i], t[i]);
      if (reduction == "none")
        loss.set(i, value);
      else
        sum += value;
    }
    if (reduction != "none")
      loss.set(0, reduction == "mean" ? sum / static_cast<double>(count) : sum);
  };
}

template <typename T, const Term& term>
Loop pair_loss_gradient(const KernelRequest& request) {
  const std::string reduction = request.node->attributes.get_string("reduction", "mean");
  return [=, count = request.output_types[0].elements(),
          dloss_dtype = request.input_types[0].dtype](const KernelArgs& args) {
    const T* x = input<T>(args, 1);
    const T* t = input<T>(args, 2);
    const FloatReader dloss(args.inputs[0], dloss_dtype);
    const double share = reduction == "mean" ? 1 / static_cast<double>(count) : 1;
    for (int64_t i = 0; i < count; ++i)
      output<T>(args, 0)[i] =
          static_cast<T>(dloss[reduction == "none" ? i : 0] * share * term.derivative(x[i], t[i]));
  };
}

}  // namespace

Loop pair_loss(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"MeanSquaredError",
       by_float<pair_loss_forward<float, kSquaredError>, pair_loss_forward<double, kSquaredError>>},
      {"MeanSquaredErrorGrad", by_float<pair_loss_gradient<float, kSquaredError>,
                                        pair_loss_gradient<double, kSquaredError>, 1>},
      {"BinaryCrossEntropy",
       by_float<pair_loss_forward<float, kCrossEntropy>, pair_loss_forward<double, kCrossEntropy>>},
      {"BinaryCrossEntropyGrad", by_float<pair_loss_gradient<float, kCrossEntropy>,
                                          pair_loss_gradient<double, kCrossEntropy>, 1>},
      {"BinaryCrossEntropyWithLogits",
       by_float<pair_loss_forward<float, kCrossEntropyWithLogits>,
                pair_loss_forward<double, kCrossEntropyWithLogits>>},
      {"BinaryCrossEntropyWithLogitsGrad",
       by_float<pair_loss_gradient<float, kCrossEntropyWithLogits>,
                pair_loss_gradient<double, kCrossEntropyWithLogits>, 1>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
