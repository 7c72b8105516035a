#include <cmath>

#include "kernels/cuda/families.h"
#include "kernels/cuda/totals.h"
#include "kernels/cuda/types.h"

namespace headrace::cuda {
namespace {

// A row of `length` elements each; by a team, twice over for the variance, in f64.
template <typename T>
struct NormalizeRow {
  const T *x, *scale, *bias;
  T* y;
  float *means, *inv_stds;
  int64_t length;
  double epsilon;

  HEADRACE_TEAM_FUNCTION void operator()(int64_t row, const Team& team) const {
    const T* in = x + row * length;
    double own = 0;
    for (int64_t i = team.rank; i < length; i += team.size)
      own += static_cast<double>(to_f32(in[i]));
    const double mean = team.sum(own) / static_cast<double>(length);
    own = 0;
    for (int64_t i = team.rank; i < length; i += team.size) {
      const double off = static_cast<double>(to_f32(in[i])) - mean;
      own += off * off;
    }
    const double variance = team.sum(own) / static_cast<double>(length);
    const auto inv_std = static_cast<float>(1 / sqrt(variance + epsilon));
    const auto center = static_cast<float>(mean);
    for (int64_t i = team.rank; i < length; i += team.size) {
      const float z = (to_f32(in[i]) - center) * inv_std;
      const float shift = bias != nullptr ? to_f32(bias[i]) : 0.0f;
      y[row * length + i] = from_f32<T>(z * to_f32(scale[i]) + shift);
    }
    if (team.rank != 0) return;
    if (means != nullptr) means[row] = center;
    if (inv_stds != nullptr) inv_stds[row] = inv_std;
  }
};

template <typename T>
struct RowGradient {
  const T *dy, *x, *scale;
  const float *means, *inv_stds;
  T* dx;
  int64_t length;

  HEADRACE_TEAM_FUNCTION void operator()(int64_t row, const Team& team) const {
    const float mean = means[row], inv_std = inv_stds[row];
    const int64_t first = row * length;
    double own_g = 0, own_gz = 0;
    for (int64_t i = team.rank; i < length; i += team.size) {
      const float g = to_f32(dy[first + i]) * to_f32(scale[i]);
      own_g += static_cast<double>(g);
      own_gz +=
          static_cast<double>(g) * static_cast<double>((to_f32(x[first + i]) - mean) * inv_std);
    }
    const auto n = static_cast<double>(length);
    const auto mean_g = static_cast<float>(team.sum(own_g) / n);
    const auto mean_gz = static_cast<float>(team.sum(own_gz) / n);
    for (int64_t i = team.rank; i < length; i += team.size) {
      const float g = to_f32(dy[first + i]) * to_f32(scale[i]);
      const float z = (to_f32(x[first + i]) - mean) * inv_std;
      dx[first + i] = from_f32<T>(inv_std * (g - mean_g - z * mean_gz));
    }
  }
};

// Down the rows: the sums of dy z and of dy.
template <typename T>
struct ParameterSums {
  static constexpr int kTotals = 2;
  const T *dy, *x;
  const float *means, *inv_stds;
  int64_t length;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t column) const { return column; }
  HEADRACE_HOST_DEVICE void add(int64_t origin, int64_t, int64_t row, double (&totals)[2]) const {
    const int64_t at = row * length + origin;
    const auto slope = static_cast<double>(to_f32(dy[at]));
    totals[0] += slope * static_cast<double>((to_f32(x[at]) - means[row]) * inv_stds[row]);
    totals[1] += slope;
  }
};
struct ParameterGradients {
  FloatWriter dscale, dbias;
  HEADRACE_HOST_DEVICE void operator()(int64_t column, const double (&totals)[2]) const {
    if (dscale) dscale.set(column, totals[0]);
    if (dbias) dbias.set(column, totals[1]);
  }
};

struct Rows {
  int64_t count = 1, length = 1;
  Rows(const Shape& shape, int64_t axis) {
    for (size_t d = 0; d < shape.size(); ++d)
      (static_cast<int64_t>(d) < axis ? count : length) *= shape[d];
  }
};

}  // namespace

Prepared prepare_layer_normalization(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const Attributes& a = request.node->attributes;
  const Rows rows(request.input_types[0].shape, a.get_int("axis"));
  const double epsilon = a.get_float("epsilon", 1e-5);
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      const auto optional = [](auto span, size_t i) { return i < span.size() ? span[i] : nullptr; };
      for_each_row(
          queue, rows.count, rows.length,
          NormalizeRow<T>{input<T>(args, 0), input<T>(args, 1),
                          static_cast<const T*>(optional(args.inputs, 2)), output<T>(args, 0),
                          static_cast<float*>(optional(args.outputs, 1)),
                          static_cast<float*>(optional(args.outputs, 2)), rows.length, epsilon});
    });
  });
}

Prepared prepare_layer_normalization_gradient(const Context& context,
                                              const KernelRequest& request) {
  if (accumulates(request, 0)) return refuse("does not accumulate dx");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const Rows rows(request.input_types[1].shape, request.node->attributes.get_int("axis"));
  const Cut cut(rows.length, rows.count, false);
  return with_float_type(request.input_types[1].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request)](const KernelArgs& args) {
          const T *dy = input<T>(args, 0), *x = input<T>(args, 1);
          const float *means = input<float>(args, 3), *inv_stds = input<float>(args, 4);
          run_totals(queue, cut, ParameterSums<T>{dy, x, means, inv_stds, rows.length},
                     ParameterGradients{operands.out(args, 1), operands.out(args, 2)},
                     args.workspace);
          if (T* dx = output<T>(args, 0))
            for_each_row(
                queue, rows.count, rows.length,
                RowGradient<T>{dy, x, input<T>(args, 2), means, inv_stds, dx, rows.length});
        },
        0, cut.bytes(2));
  });
}

}  // namespace headrace::cuda
