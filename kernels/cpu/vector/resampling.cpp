#include "kernels/cpu/vector/table.h"
#include "kernels/functors/isa.h"

namespace headrace::HEADRACE_ISA {
namespace {

// One row of the result out of kTaps rows.
template <int kTaps>
void mix(const float* x, const int32_t* index, const float* weight, int64_t inner, float* y) {
  const float* rows[kTaps];
  float w[kTaps];
  for (int t = 0; t < kTaps; ++t) {
    rows[t] = x + index[t] * inner;
    w[t] = weight[t];
  }
#pragma omp simd
  for (int64_t i = 0; i < inner; ++i) {
    float sum = 0;
    for (int t = 0; t < kTaps; ++t) sum += w[t] * rows[t][i];
    y[i] = sum;
  }
}

template <int kTaps>
void mix_rows(const float* x, const int32_t* index, const float* weight, int64_t length,
              int64_t inner, float* y) {
  for (int64_t j = 0; j < length; ++j)
    mix<kTaps>(x, index + j * kTaps, weight + j * kTaps, inner, y + j * inner);
}

// Single elements instead of rows.
template <int kTaps>
void mix_elements(const float* x, const int32_t* index, const float* weight, int64_t length,
                  float* y) {
#pragma omp simd
  for (int64_t j = 0; j < length; ++j) {
    float sum = 0;
    for (int t = 0; t < kTaps; ++t) sum += weight[j * kTaps + t] * x[index[j * kTaps + t]];
    y[j] = sum;
  }
}

void add_row(const float* x, float w, int64_t inner, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < inner; ++i) y[i] += w * x[i];
}

void gather(const float* x, const int32_t* index, const float* weight, int64_t length, int64_t taps,
            int64_t inner, float* y) {
  if (inner == 1) {
    if (taps == 1) return mix_elements<1>(x, index, weight, length, y);
    if (taps == 2) return mix_elements<2>(x, index, weight, length, y);
    if (taps == 4) return mix_elements<4>(x, index, weight, length, y);
    for (int64_t j = 0; j < length; ++j) {
      float sum = 0;
      for (int64_t t = 0; t < taps; ++t) sum += weight[j * taps + t] * x[index[j * taps + t]];
      y[j] = sum;
    }
    return;
  }
  if (taps == 1) return mix_rows<1>(x, index, weight, length, inner, y);
  if (taps == 2) return mix_rows<2>(x, index, weight, length, inner, y);
  if (taps == 4) return mix_rows<4>(x, index, weight, length, inner, y);
  for (int64_t j = 0; j < length; ++j) {
    float* row = y + j * inner;
    mix<1>(x, index + j * taps, weight + j * taps, inner, row);
    for (int64_t t = 1; t < taps; ++t)
      add_row(x + index[j * taps + t] * inner, weight[j * taps + t], inner, row);
  }
}

void scatter(const float* dy, const int32_t* index, const float* weight, int64_t length,
             int64_t taps, int64_t inner, float* dx) {
  for (int64_t j = 0; j < length; ++j)
    for (int64_t t = 0; t < taps; ++t) {
      const float w = weight[j * taps + t];
      if (w == 0) continue;  // taps that only fill up a row of the table
      if (inner == 1)
        dx[index[j * taps + t]] += w * dy[j];
      else
        add_row(dy + j * inner, w, inner, dx + index[j * taps + t] * inner);
    }
}

}  // namespace

extern const vector::ResamplingTable resampling_table;
constinit const vector::ResamplingTable resampling_table = {gather, scatter};

}  // namespace headrace::HEADRACE_ISA
