#include <cmath>

#include "kernels/cpu/vector/table.h"
#include "kernels/functors/isa.h"

namespace headrace::HEADRACE_ISA {
namespace {

void layer_norm(const float* x, const float* scale, const float* bias, float* y, float* mean,
                float* inv_std, int64_t rows, int64_t n, float epsilon) {
  const float share = 1.0f / static_cast<float>(n);
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    // What rounding took from the mean is found again in the second pass: it would otherwise be
    // multiplied by 1 / std.
    const float m = sum * share;
    float rest = 0, squares = 0;
#pragma omp simd reduction(+ : rest, squares)
    for (int64_t i = 0; i < n; ++i) {
      const float d = x[i] - m;
      rest += d;
      squares += d * d;
    }
    const float shift = rest * share;
    const float s = 1.0f / std::sqrt(squares * share - shift * shift + epsilon);
    if (bias != nullptr) {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = ((x[i] - m) - shift) * s * scale[i] + bias[i];
    } else {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = ((x[i] - m) - shift) * s * scale[i];
    }
    if (mean != nullptr) mean[r] = m + shift;
    if (inv_std != nullptr) inv_std[r] = s;
  }
}

// With h = (x - mean) inv_std and g = dy scale: dx = inv_std (g - mean(g) - h mean(g h)).
void layer_norm_gradient(const float* dy, const float* x, const float* scale, const float* mean,
                         const float* inv_std, float* dx, float* dscale, float* dbias, int64_t rows,
                         int64_t n) {
  const float share = 1.0f / static_cast<float>(n);
  for (int64_t r = 0; r < rows; ++r, dy += n, x += n, dx += n) {
    const float m = mean[r], s = inv_std[r];
    float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t i = 0; i < n; ++i) {
      const float h = (x[i] - m) * s, g = dy[i] * scale[i];
      sum += g;
      dot += g * h;
      dscale[i] += dy[i] * h;
      dbias[i] += dy[i];
    }
    const float a = sum * share, b = dot * share;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const float h = (x[i] - m) * s;
      dx[i] = s * (dy[i] * scale[i] - a - h * b);
    }
  }
}

}  // namespace

extern const vector::NormalizationTable normalization_table;
constinit const vector::NormalizationTable normalization_table = {layer_norm, layer_norm_gradient};

}  // namespace headrace::HEADRACE_ISA
