#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

AxisSplit split_of(const KernelRequest& request) {
  return split_at(request.output_types[0].shape, request.node->attributes.get_int("axis"));
}

// Calls f(offset of the first element) for each line along the axis; the stride is `inner`.
template <typename F>
void for_each_line(const AxisSplit& s, F f) {
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t n = 0; n < s.inner; ++n) f(o * s.length * s.inner + n);
}

template <typename T, bool logarithm>
Loop softmax_forward(const KernelRequest& request) {
  return [s = split_of(request)](const KernelArgs& args) {
    for_each_line(s, [&](int64_t first) {
      const T* x = input<T>(args, 0) + first;
      T* y = output<T>(args, 0) + first;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t i = 0; i < s.length; ++i)
        largest = std::max(largest, static_cast<double>(x[i * s.inner]));
      for (int64_t i = 0; i < s.length; ++i) sum += std::exp(x[i * s.inner] - largest);
      for (int64_t i = 0; i < s.length; ++i) {
        const double shifted = x[i * s.inner] - largest;
        y[i * s.inner] =
            static_cast<T>(logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    });
  };
}

// dx = y (dy - sum(dy y)), and for the logarithm dx = dy - exp(y) sum(dy).
template <typename T, bool logarithm>
Loop softmax_gradient(const KernelRequest& request) {
  return [s = split_of(request)](const KernelArgs& args) {
    for_each_line(s, [&](int64_t first) {
      const T* dy = input<T>(args, 0) + first;
      const T* y = input<T>(args, 1) + first;
      T* dx = output<T>(args, 0) + first;
      double sum = 0;
      for (int64_t i = 0; i < s.length; ++i) {
        const int64_t at = i * s.inner;
        sum += logarithm ? double{dy[at]} : double{dy[at]} * y[at];
      }
      for (int64_t i = 0; i < s.length; ++i) {
        const int64_t at = i * s.inner;
        dx[at] = static_cast<T>(logarithm ? dy[at] - std::exp(double{y[at]}) * sum
                                          : y[at] * (dy[at] - sum));
      }
    });
  };
}

}  // namespace

Loop softmax(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"Softmax", by_float<softmax_forward<float, false>, softmax_forward<double, false>>},
      {"LogSoftmax", by_float<softmax_forward<float, true>, softmax_forward<double, true>>},
      {"SoftmaxGrad", by_float<softmax_gradient<float, false>, softmax_gradient<double, false>>},
      {"LogSoftmaxGrad", by_float<softmax_gradient<float, true>, softmax_gradient<double, true>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
