#include "kernels/cpu/vector/table.h"
#include "kernels/functors/math.h"

namespace headrace::HEADRACE_ISA {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float maximum(const float* x, int64_t n) {
  float result = -kInfinity;
#pragma omp simd reduction(max : result)
  for (int64_t i = 0; i < n; ++i) result = result > x[i] ? result : x[i];
  return result;
}

// Of values without +inf.
bool has_nan(const float* x, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum != sum;
}

void scale(float* y, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) y[i] *= factor;
}

// A row of -inf alone has no softmax; it comes out as NaN, as in every framework.
void softmax(const float* x, float* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const float highest = maximum(x, n);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) {
      const float e = exponential_of_nonpositive(x[i] - highest);
      y[i] = e;
      sum += e;
    }
    scale(y, n, 1.0f / sum);
  }
}

// Blocks that stay in the first cache: the maximum of one is known before its exponentials are
// taken, and what was summed so far is rescaled when the maximum grows (Milakov and Gimelshein,
// arXiv:1805.02867).
vector::LogSumExp log_sum_exp(const float* x, int64_t n) {
  constexpr int64_t kBlock = 1024;
  float highest = -kInfinity, sum = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = n - start < kBlock ? n - start : kBlock;
    const float* block = x + start;
    const float block_highest = maximum(block, count);
    if (block_highest > highest) {
      sum *= exponential_of_nonpositive(highest - block_highest);
      highest = block_highest;
    }
    // Nothing to add, unless it is a NaN that the maximum came out as -inf for.
    if (block_highest == -kInfinity) {
      if (has_nan(block, count)) sum = std::numeric_limits<float>::quiet_NaN();
      continue;
    }
    float block_sum = 0;
#pragma omp simd reduction(+ : block_sum)
    for (int64_t i = 0; i < count; ++i) {
      block_sum += exponential_of_nonpositive(block[i] - highest);
    }
    sum += block_sum;
  }
  return {highest, highest == -kInfinity && sum == 0.0f ? 0.0f : logarithm(sum)};
}

void log_softmax(const float* x, float* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const auto [largest, log_sum] = log_sum_exp(x, n);
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - largest) - log_sum;
  }
}

void softmax_gradient(const float* dy, const float* y, float* dx, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, dy += n, y += n, dx += n) {
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < n; ++i) dot += dy[i] * y[i];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = (dy[i] - dot) * y[i];
  }
}

void log_softmax_gradient(const float* dy, const float* y, float* dx, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, dy += n, y += n, dx += n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += dy[i];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] - exponential(y[i]) * sum;
  }
}

void scaled_softmax(const float* x, vector::LogSumExp lse, float factor, float* dx, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = factor * exponential_of_nonpositive((x[i] - lse.largest) - lse.log_sum);
  }
}

constexpr int64_t kColumns = 256;

void column_log_sum_exp(const float* x, int64_t rows, int64_t stride, float* largest,
                        float* log_sum, int64_t n) {
  float highest[kColumns], sum[kColumns];
  for (int64_t j = 0; j < n; ++j) highest[j] = -kInfinity;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = x + i * stride;
    for (int64_t j = 0; j < n; ++j) highest[j] = highest[j] > row[j] ? highest[j] : row[j];
  }
  for (int64_t j = 0; j < n; ++j) sum[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = x + i * stride;
    for (int64_t j = 0; j < n; ++j) sum[j] += exponential_of_nonpositive(row[j] - highest[j]);
  }
  for (int64_t j = 0; j < n; ++j) {
    largest[j] = highest[j];
    log_sum[j] = highest[j] == -kInfinity ? 0.0f : logarithm(sum[j]);
  }
}

// A column whose scale is 0 is 0 whatever its values are.
void column_scaled_softmax(const float* x, const float* largest, const float* log_sum,
                           const float* factor, float* dx, int64_t rows, int64_t stride,
                           int64_t n) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = x + i * stride;
    float* result = dx + i * stride;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const float value =
          factor[j] * exponential_of_nonpositive((row[j] - largest[j]) - log_sum[j]);
      result[j] = factor[j] == 0.0f ? 0.0f : value;
    }
  }
}

}  // namespace

extern const vector::SoftmaxTable softmax_table;
constinit const vector::SoftmaxTable softmax_table = {
    softmax,     log_softmax,    softmax_gradient,   log_softmax_gradient,
    log_sum_exp, scaled_softmax, column_log_sum_exp, column_scaled_softmax};

}  // namespace headrace::HEADRACE_ISA
