#include <cmath>
#include <utility>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// By elimination with the largest pivot of each column. 1 for a matrix of no rows.
double determinant_of(std::vector<double> a, size_t n) {
  double result = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row)
      if (std::fabs(a[row * n + column]) > std::fabs(a[pivot * n + column])) pivot = row;
    if (a[pivot * n + column] == 0) return 0;
    if (pivot != column) {
      result = -result;
      for (size_t i = 0; i < n; ++i) std::swap(a[pivot * n + i], a[column * n + i]);
    }
    result *= a[column * n + column];
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = a[row * n + column] / a[column * n + column];
      for (size_t i = column; i < n; ++i) a[row * n + i] -= factor * a[column * n + i];
    }
  }
  return result;
}

template <typename T>
Loop determinant_forward(const KernelRequest& request) {
  const auto n = static_cast<size_t>(request.input_types[0].shape.back());
  return [n, count = request.output_types[0].elements()](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i) {
      const T* x = input<T>(args, 0) + static_cast<size_t>(i) * n * n;
      output<T>(args, 0)[i] = static_cast<T>(determinant_of({x, x + n * n}, n));
    }
  };
}

// The derivative by an element is its cofactor, which exists where the inverse does not.
template <typename T>
Loop determinant_gradient(const KernelRequest& request) {
  const auto n = static_cast<size_t>(request.input_types[1].shape.back());
  return [n, count = request.input_types[0].elements()](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i) {
      const size_t first = static_cast<size_t>(i) * n * n;
      const T* x = input<T>(args, 1) + first;
      for (size_t at = 0; at < n * n; ++at) {
        std::vector<double> minor;
        for (size_t e = 0; e < n * n; ++e)
          if (e / n != at / n && e % n != at % n) minor.push_back(x[e]);
        const double sign = (at / n + at % n) % 2 == 0 ? 1 : -1;
        const double cofactor = sign * determinant_of(std::move(minor), n - 1);
        output<T>(args, 0)[first + at] = static_cast<T>(input<T>(args, 0)[i] * cofactor);
      }
    }
  };
}

}  // namespace

Loop determinant(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"Det", by_float<determinant_forward<float>, determinant_forward<double>>},
      {"DetGrad", by_float<determinant_gradient<float>, determinant_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
