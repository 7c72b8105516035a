#include <cmath>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Channels are axis 1: element (n, c, p) of x stands at (n * channels + c) * plane + p.
struct Batch {
  int64_t count = 1, channels = 1, plane = 1;
  int64_t at(int64_t n, int64_t c, int64_t p) const { return (n * channels + c) * plane + p; }
  double per_channel() const { return static_cast<double>(count * plane); }
};
Batch batch_of(const Shape& shape) {
  const AxisSplit split = split_at(shape, 1);
  return {split.outer, split.length, split.inner};
}

bool with_relu(const KernelRequest& request) {
  return request.node->attributes.get_string("activation", "") == "relu";
}
double epsilon_of(const KernelRequest& request) {
  return request.node->attributes.get_float("epsilon", 1e-5);
}

// Calls f(offset) for the elements of channel c.
template <typename F>
void for_channel(const Batch& b, int64_t c, F f) {
  for (int64_t n = 0; n < b.count; ++n)
    for (int64_t p = 0; p < b.plane; ++p) f(b.at(n, c, p));
}

// x, scale, bias, mean, var -> y, batch_mean, batch_var, new_mean, new_var, [mask]
template <typename T>
Loop batch_norm_training(const KernelRequest& request) {
  const Batch b = batch_of(request.input_types[0].shape);
  const double epsilon = epsilon_of(request);
  const double momentum = request.node->attributes.get_float("momentum", 0.9);
  const bool relu = with_relu(request);
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    const auto put = [&](size_t i, int64_t c, double value) {
      if (T* out = output<T>(args, i)) out[c] = static_cast<T>(value);
    };
    uint8_t* mask = output<uint8_t>(args, 5);
    for (int64_t c = 0; c < b.channels; ++c) {
      double sum = 0, squares = 0;
      for_channel(b, c, [&](int64_t i) { sum += x[i]; });
      const double mean = sum / b.per_channel();
      for_channel(b, c, [&](int64_t i) { squares += (x[i] - mean) * (x[i] - mean); });
      const double var = squares / b.per_channel();
      const double factor = input<T>(args, 1)[c] / std::sqrt(var + epsilon);
      const double bias = input<T>(args, 2)[c];
      for_channel(b, c, [&](int64_t i) {
        const double y = (x[i] - mean) * factor + bias;
        output<T>(args, 0)[i] = static_cast<T>(relu && y < 0 ? 0 : y);
        if (mask) mask[i] = y > 0;
      });
      put(1, c, mean);
      put(2, c, var);
      put(3, c, input<T>(args, 3)[c] * momentum + mean * (1 - momentum));
      put(4, c, input<T>(args, 4)[c] * momentum + var * (1 - momentum));
    }
  };
}

// dy, x, scale, mean, var, [mask] -> dx, dscale, dbias. With z the normalised x:
// dbias = sum(dy), dscale = sum(dy z). Batch statistics depend on x, so that there
// dx = scale / std (dy - mean(dy) - z mean(dy z)); frozen ones do not: dx = scale / std dy.
template <typename T, bool frozen>
Loop batch_norm_gradient(const KernelRequest& request) {
  const Batch b = batch_of(request.input_types[1].shape);
  const double epsilon = epsilon_of(request);
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 1);
    const uint8_t* mask = input<uint8_t>(args, 5);
    const auto dy = [&](int64_t i) -> double {
      return mask && !mask[i] ? 0 : input<T>(args, 0)[i];
    };
    for (int64_t c = 0; c < b.channels; ++c) {
      const double mean = input<T>(args, 3)[c];
      const double inv_std = 1 / std::sqrt(input<T>(args, 4)[c] + epsilon);
      double sum = 0, sum_z = 0;
      for_channel(b, c, [&](int64_t i) {
        sum += dy(i);
        sum_z += dy(i) * (x[i] - mean) * inv_std;
      });
      if (T* dx = output<T>(args, 0)) {
        const double factor = input<T>(args, 2)[c] * inv_std;
        const double through_mean = frozen ? 0 : sum / b.per_channel();
        const double through_var = frozen ? 0 : sum_z / b.per_channel();
        for_channel(b, c, [&](int64_t i) {
          const double z = (x[i] - mean) * inv_std;
          dx[i] = static_cast<T>(factor * (dy(i) - through_mean - z * through_var));
        });
      }
      if (T* dscale = output<T>(args, 1)) dscale[c] = static_cast<T>(sum_z);
      if (T* dbias = output<T>(args, 2)) dbias[c] = static_cast<T>(sum);
    }
  };
}

template <typename T>
Loop batch_norm_inference(const KernelRequest& request) {
  const Batch b = batch_of(request.input_types[0].shape);
  const double epsilon = epsilon_of(request);
  const bool relu = with_relu(request);
  return [=](const KernelArgs& args) {
    for (int64_t c = 0; c < b.channels; ++c) {
      const double factor = input<T>(args, 1)[c] / std::sqrt(input<T>(args, 4)[c] + epsilon);
      for_channel(b, c, [&](int64_t i) {
        const double y =
            (input<T>(args, 0)[i] - double{input<T>(args, 3)[c]}) * factor + input<T>(args, 2)[c];
        output<T>(args, 0)[i] = static_cast<T>(relu && y < 0 ? 0 : y);
      });
    }
  };
}

}  // namespace

Loop batch_normalization(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"BatchNormalization", by_float<batch_norm_training<float>, batch_norm_training<double>>},
      {"BatchNormalizationGrad",
       by_float<batch_norm_gradient<float, false>, batch_norm_gradient<double, false>>},
      {"BatchNormalizationInference",
       by_float<batch_norm_inference<float>, batch_norm_inference<double>>},
      {"BatchNormalizationInferenceGrad",
       by_float<batch_norm_gradient<float, true>, batch_norm_gradient<double, true>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
