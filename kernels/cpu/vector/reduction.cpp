#include <limits>

#include "kernels/cpu/vector/table.h"
#include "kernels/functors/isa.h"

namespace headrace::HEADRACE_ISA {
namespace {

using vector::index;
using vector::Reduction;

// Long rows and columns are reduced in blocks, whose results are then combined.
constexpr int64_t kRowBlock = 4096;
constexpr int64_t kColumnBlock = 64;
constexpr int64_t kColumns = 256;  // of a column block: its running values stay in the first cache

struct Sum {
  static constexpr float kStart = 0;
  static float combine(float a, float b) { return a + b; }
  static float row(const float* x, int64_t n) {
    float result = kStart;
#pragma omp simd reduction(+ : result)
    for (int64_t i = 0; i < n; ++i) result += x[i];
    return result;
  }
};
struct Max {
  static constexpr float kStart = -std::numeric_limits<float>::infinity();
  static float combine(float a, float b) { return a > b || a != a ? a : b; }
  static float row(const float* x, int64_t n) {
    float result = kStart;
    int nan = 0;
#pragma omp simd reduction(max : result) reduction(| : nan)
    for (int64_t i = 0; i < n; ++i) {
      result = result > x[i] ? result : x[i];
      nan |= x[i] != x[i];
    }
    return nan ? std::numeric_limits<float>::quiet_NaN() : result;
  }
};
struct Min {
  static constexpr float kStart = std::numeric_limits<float>::infinity();
  static float combine(float a, float b) { return a < b || a != a ? a : b; }
  static float row(const float* x, int64_t n) {
    float result = kStart;
    int nan = 0;
#pragma omp simd reduction(min : result) reduction(| : nan)
    for (int64_t i = 0; i < n; ++i) {
      result = result < x[i] ? result : x[i];
      nan |= x[i] != x[i];
    }
    return nan ? std::numeric_limits<float>::quiet_NaN() : result;
  }
};
struct Prod {
  static constexpr float kStart = 1;
  static float combine(float a, float b) { return a * b; }
  static float row(const float* x, int64_t n) {
    float result = kStart;
#pragma omp simd reduction(* : result)
    for (int64_t i = 0; i < n; ++i) result *= x[i];
    return result;
  }
};

template <typename F>
float row(const float* x, int64_t n) {
  float result = F::kStart;
  for (int64_t i = 0; i < n; i += kRowBlock) {
    result = F::combine(result, F::row(x + i, n - i < kRowBlock ? n - i : kRowBlock));
  }
  return result;
}

template <typename F>
void combine(const float* x, float* y, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) y[j] = F::combine(y[j], x[j]);
}

template <typename F>
void column(const float* x, int64_t rows, int64_t stride, float* y, int64_t n) {
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t width = n - j < kColumns ? n - j : kColumns;
    float total[kColumns], block[kColumns];
    for (int64_t k = 0; k < width; ++k) total[k] = F::kStart;
    for (int64_t i = 0; i < rows; i += kColumnBlock) {
      const int64_t end = rows - i < kColumnBlock ? rows : i + kColumnBlock;
      for (int64_t k = 0; k < width; ++k) block[k] = x[i * stride + j + k];
      for (int64_t r = i + 1; r < end; ++r) combine<F>(x + r * stride + j, block, width);
      combine<F>(block, total, width);
    }
    for (int64_t k = 0; k < width; ++k) y[j + k] = total[k];
  }
}

double sum_of_squares(const float* x, int64_t n) {
  double result = 0;
#pragma omp simd reduction(+ : result)
  for (int64_t i = 0; i < n; ++i) {
    const double value = x[i];
    result += value * value;
  }
  return result;
}

template <typename F>
constexpr void set(vector::ReductionTable& t, Reduction id) {
  t.row[index(id)] = row<F>;
  t.column[index(id)] = column<F>;
  t.combine[index(id)] = combine<F>;
}

constexpr vector::ReductionTable make() {
  vector::ReductionTable t{};
  set<Sum>(t, Reduction::sum);
  set<Max>(t, Reduction::max);
  set<Min>(t, Reduction::min);
  set<Prod>(t, Reduction::prod);
  t.sum_of_squares = sum_of_squares;
  return t;
}

}  // namespace

extern const vector::ReductionTable reduction_table;
constinit const vector::ReductionTable reduction_table = make();

}  // namespace headrace::HEADRACE_ISA
