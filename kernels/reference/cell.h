#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/ops/recurrent.h"
#include "kernels/reference/loop.h"

// What the loops over sequences of LSTM, GRU and RNN cells share. graph/ops/README.md has the
// layouts and the order of gates; the formulas are those of ONNX's operators of these names.
namespace headrace::reference {

double value_of(const CellFunction& f, double x);
// The slope where the function has the value y.
double slope_at(const CellFunction& f, double y);

// An activation behind the cell's clip: inputs beyond the bound have no slope, which shows in the
// value, that of the bound (to f32's precision, in which it may have been kept).
template <typename T>
class Gate {
 public:
  Gate(const CellFunction& f, double clip)
      : f_(f),
        clip_(clip),
        low_(static_cast<float>(value_of(f, -clip))),
        high_(static_cast<float>(value_of(f, clip))) {}
  T operator()(double x) const {
    return static_cast<T>(value_of(f_, clip_ > 0 ? std::clamp(x, -clip_, clip_) : x));
  }
  double slope(T y) const {
    const auto kept = static_cast<float>(y);
    return clip_ > 0 && (kept == low_ || kept == high_) ? 0 : slope_at(f_, y);
  }

 private:
  CellFunction f_;
  double clip_;
  float low_, high_;
};

struct Cell {
  std::vector<CellFunction> functions;
  double clip;
  bool reverse, input_forget, linear_before_reset;
  int64_t steps, rows, hidden, gates;

  // The step that is done as number `i`.
  int64_t step(int64_t i) const { return reverse ? steps - 1 - i : i; }
};

// The sequence and r are these inputs.
Cell cell_of(const KernelRequest& request, size_t sequence, size_t r);

inline bool is_within(const KernelArgs& args, size_t lengths, int64_t row, int64_t t) {
  const auto* length = input<int32_t>(args, lengths);
  return length == nullptr || t < length[row];
}

// Row `j` of r times a state.
template <typename T>
double product(const T* r, int64_t j, const std::vector<double>& state) {
  double sum = 0;
  for (size_t k = 0; k < state.size(); ++k)
    sum +=
        static_cast<double>(r[j * static_cast<int64_t>(state.size()) + static_cast<int64_t>(k)]) *
        state[k];
  return sum;
}

template <typename T>
void write(T* to, const std::vector<double>& from) {
  if (to == nullptr) return;
  for (size_t j = 0; j < from.size(); ++j) to[j] = static_cast<T>(from[j]);
}
template <typename T>
std::vector<double> read(const T* from, int64_t count) {
  if (from == nullptr) return std::vector<double>(static_cast<size_t>(count), 0.0);
  return {from, from + count};
}
template <typename T>
T* row(T* base, int64_t number, int64_t length) {
  return base == nullptr ? nullptr : base + number * length;
}

// Gradients that flow into a state through the product with rows first.. of r.
template <typename T>
void add_transposed(const T* r, int64_t first, const std::vector<double>& gradient,
                    std::vector<double>& state) {
  const auto hidden = static_cast<int64_t>(state.size());
  for (size_t j = 0; j < gradient.size(); ++j)
    for (int64_t k = 0; k < hidden; ++k)
      state[static_cast<size_t>(k)] +=
          gradient[j] * static_cast<double>(r[(first + static_cast<int64_t>(j)) * hidden + k]);
}

}  // namespace headrace::reference
