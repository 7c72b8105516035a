#include "kernels/cpu/vector/table.h"
#include "kernels/functors/losses.h"

namespace headrace::HEADRACE_ISA {
namespace {

template <typename F>
double total(const float* x, const float* target, int64_t n) {
  double result = 0;
#pragma omp simd reduction(+ : result)
  for (int64_t i = 0; i < n; ++i) result += static_cast<double>(F{}.loss(x[i], target[i]));
  return result;
}

template <typename F>
void each(const float* x, const float* target, float* loss, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) loss[i] = F{}.loss(x[i], target[i]);
}

template <typename F>
void gradient(const float* dloss, int dloss_stride, float scale, const float* x,
              const float* target, float* dx, int64_t n) {
  if (dloss_stride == 0) {
    const float factor = scale * *dloss;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = factor * F{}.gradient(x[i], target[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = dloss[i] * scale * F{}.gradient(x[i], target[i]);
  }
}

}  // namespace

extern const vector::LossTable loss_table;
constinit const vector::LossTable loss_table = {
    total<SquaredError>,    total<BinaryCrossEntropy>,    total<BinaryCrossEntropyWithLogits>,
    each<SquaredError>,     each<BinaryCrossEntropy>,     each<BinaryCrossEntropyWithLogits>,
    gradient<SquaredError>, gradient<BinaryCrossEntropy>, gradient<BinaryCrossEntropyWithLogits>,
};

}  // namespace headrace::HEADRACE_ISA
