#include <cmath>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

struct Rows {
  int64_t count = 1, length = 1;
};
Rows rows_of(const Shape& shape, int64_t axis) {
  Rows rows;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d)
    (d < axis ? rows.count : rows.length) *= shape[d];
  return rows;
}

// x, scale, [bias] -> y, mean, inv_std
template <typename T>
Loop layer_norm_forward(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const Rows rows = rows_of(request.input_types[0].shape, a.get_int("axis"));
  const double epsilon = a.get_float("epsilon", 1e-5);
  const DType statistics =
      request.output_types.size() > 1 ? request.output_types[1].dtype : DType::f32;
  return [=](const KernelArgs& args) {
    const T* scale = input<T>(args, 1);
    const T* bias = input<T>(args, 2);
    const FloatWriter means(output<void>(args, 1), statistics);
    const FloatWriter inv_stds(output<void>(args, 2), statistics);
    for (int64_t r = 0; r < rows.count; ++r) {
      const T* x = input<T>(args, 0) + r * rows.length;
      T* y = output<T>(args, 0) + r * rows.length;
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < rows.length; ++i) sum += x[i];
      const double mean = sum / static_cast<double>(rows.length);
      for (int64_t i = 0; i < rows.length; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double inv_std = 1 / std::sqrt(squares / static_cast<double>(rows.length) + epsilon);
      for (int64_t i = 0; i < rows.length; ++i)
        y[i] = static_cast<T>((x[i] - mean) * inv_std * scale[i] + (bias ? bias[i] : T{0}));
      if (means) means.set(r, mean);
      if (inv_stds) inv_stds.set(r, inv_std);
    }
  };
}

// dy, x, scale, mean, inv_std -> dx, dscale, [dbias]. With z = (x - mean) inv_std and g = dy scale:
// dx = inv_std (g - mean(g) - z mean(g z)), dscale = sum of dy z and dbias = sum of dy over the
// rows.
template <typename T>
Loop layer_norm_gradient(const KernelRequest& request) {
  const Rows rows = rows_of(request.input_types[1].shape, request.node->attributes.get_int("axis"));
  const DType statistics = request.input_types[3].dtype;
  return [=](const KernelArgs& args) {
    const T* dy = input<T>(args, 0);
    const T* x = input<T>(args, 1);
    const T* scale = input<T>(args, 2);
    const FloatReader mean(args.inputs[3], statistics);
    const FloatReader inv_std(args.inputs[4], statistics);
    const auto z = [&](int64_t r, int64_t i) {
      return (x[r * rows.length + i] - mean[r]) * inv_std[r];
    };
    if (T* dx = output<T>(args, 0)) {
      for (int64_t r = 0; r < rows.count; ++r) {
        double sum_g = 0, sum_gz = 0;
        for (int64_t i = 0; i < rows.length; ++i) {
          const double g = double{dy[r * rows.length + i]} * scale[i];
          sum_g += g;
          sum_gz += g * z(r, i);
        }
        const auto n = static_cast<double>(rows.length);
        for (int64_t i = 0; i < rows.length; ++i) {
          const double g = double{dy[r * rows.length + i]} * scale[i];
          dx[r * rows.length + i] =
              static_cast<T>(inv_std[r] * (g - sum_g / n - z(r, i) * sum_gz / n));
        }
      }
    }
    for (int64_t i = 0; i < rows.length; ++i) {
      double dscale = 0, dbias = 0;
      for (int64_t r = 0; r < rows.count; ++r) {
        dscale += dy[r * rows.length + i] * z(r, i);
        dbias += dy[r * rows.length + i];
      }
      if (T* out = output<T>(args, 1)) out[i] = static_cast<T>(dscale);
      if (T* out = output<T>(args, 2)) out[i] = static_cast<T>(dbias);
    }
  };
}

}  // namespace

Loop layer_normalization(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"LayerNormalization", by_float<layer_norm_forward<float>, layer_norm_forward<double>>},
      {"LayerNormalizationGrad", by_float<layer_norm_gradient<float>, layer_norm_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
