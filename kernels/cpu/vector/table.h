#pragma once

#include <cstddef>
#include <cstdint>

#include "graph/ops/cell_activation.h"
#include "kernels/update_steps.h"

// The CPU's own inner loops. Every file of this folder is compiled once per instruction set, in a
// namespace of that name, and fills its part of a table; the device takes one table when it starts.
// Loops are serial and know neither tensors nor threads. Arrays may overlap only where input and
// output are the same array.
namespace headrace::vector {

enum class Unary : uint8_t {
  neg,
  abs,
  exp,
  log,
  sqrt,
  reciprocal,
  erf,
  tanh,
  sigmoid,
  relu,
  softplus,
  sin,
  cos,
  sinh,
  cosh,
  asin,
  acos,
  atan,
  asinh,
  acosh,
  atanh,
  floor,
  ceil,
  round,
  sign,
  hard_sigmoid,
  hard_swish,
  swish,
  mish,
  leaky_relu,
  elu,
  clip,
  gelu,
  gelu_tanh,
  square,
  cube,
  count
};
enum class Gradient : uint8_t {
  relu,
  tanh,
  sigmoid,
  gelu,
  gelu_tanh,
  leaky_relu,
  elu,
  hard_sigmoid,
  hard_swish,
  swish,
  mish,
  softplus,
  erf,
  clip,
  count
};
enum class Binary : uint8_t { add, sub, mul, div, min, max, pow, fmod, count };
enum class Comparison : uint8_t { equal, less, less_or_equal, greater, greater_or_equal, count };
enum class Logical : uint8_t { logical_and, logical_or, logical_xor, count };
enum class Reduction : uint8_t { sum, max, min, prod, count };

// Which operand moves along the row; the other is one value that is repeated.
enum class Operands : uint8_t { both, left, right, count };

constexpr size_t index(auto id) { return static_cast<size_t>(id); }
template <typename Id>
constexpr size_t kCount = index(Id::count);

using UnaryLoop = void (*)(const float* x, float* y, int64_t n, float alpha, float beta);
using GradientLoop = void (*)(const float* dy, const float* v, float* dx, int64_t n, float alpha,
                              float beta);
using BinaryLoop = void (*)(const float* a, const float* b, float* y, int64_t n);
using ComparisonLoop = void (*)(const float* a, const float* b, uint8_t* y, int64_t n);
using LogicalLoop = void (*)(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n);

struct ElementwiseTable {
  UnaryLoop unary[kCount<Unary>];
  GradientLoop gradient[kCount<Gradient>];
  BinaryLoop binary[kCount<Binary>][kCount<Operands>];
  ComparisonLoop comparison[kCount<Comparison>][kCount<Operands>];
  LogicalLoop logical[kCount<Logical>][kCount<Operands>];
  // y = c ? a : b; strides are 0 (one value) or 1.
  void (*where)(const uint8_t* c, const float* a, const float* b, float* y, int64_t n, int c_stride,
                int a_stride, int b_stride);
  // y += x
  void (*add_to)(const float* x, float* y, int64_t n);
  // y = alpha x + beta y
  void (*blend)(const float* x, float* y, int64_t n, float alpha, float beta);
};

struct ReductionTable {
  // The reduction of one row.
  float (*row[kCount<Reduction>])(const float* x, int64_t n);
  // y[j] = reduction over i of x[i * stride + j]; for a sum blocks of rows are added apart, so that
  // the error grows with the square root of a long column.
  void (*column[kCount<Reduction>])(const float* x, int64_t rows, int64_t stride, float* y,
                                    int64_t n);
  // y[j] = y[j] op x[j]
  void (*combine[kCount<Reduction>])(const float* x, float* y, int64_t n);
  double (*sum_of_squares)(const float* x, int64_t n);
};

// log(sum(exp(x))) as largest + log_sum: the largest of x, and log(sum(exp(x - largest))), which is
// between 0 and the logarithm of their number. Kept apart because that small part would be lost
// beside a large one. Where all of x is -inf, so is largest, and log_sum is 0.
struct LogSumExp {
  float largest, log_sum;
};

struct SoftmaxTable {
  // Rows of n values.
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t n);
  void (*log_softmax)(const float* x, float* y, int64_t rows, int64_t n);
  void (*softmax_gradient)(const float* dy, const float* y, float* dx, int64_t rows, int64_t n);
  void (*log_softmax_gradient)(const float* dy, const float* y, float* dx, int64_t rows, int64_t n);
  // Of a row, in one pass over memory.
  LogSumExp (*log_sum_exp)(const float* x, int64_t n);
  // dx = scale exp(x - largest - log_sum)
  void (*scaled_softmax)(const float* x, LogSumExp lse, float scale, float* dx, int64_t n);
  // The same for n columns whose values stand `stride` apart; n is at most 256.
  void (*column_log_sum_exp)(const float* x, int64_t rows, int64_t stride, float* largest,
                             float* log_sum, int64_t n);
  void (*column_scaled_softmax)(const float* x, const float* largest, const float* log_sum,
                                const float* scale, float* dx, int64_t rows, int64_t stride,
                                int64_t n);
};

struct NormalizationTable {
  // Rows of n values; bias may be null.
  void (*layer_norm)(const float* x, const float* scale, const float* bias, float* y, float* mean,
                     float* inv_std, int64_t rows, int64_t n, float epsilon);
  // These rows' sums are added to dscale and dbias, each n values.
  void (*layer_norm_gradient)(const float* dy, const float* x, const float* scale,
                              const float* mean, const float* inv_std, float* dx, float* dscale,
                              float* dbias, int64_t rows, int64_t n);
};

struct LossTable {
  // Sums over n pairs, in double.
  double (*squared_error)(const float* x, const float* target, int64_t n);
  double (*binary_cross_entropy)(const float* x, const float* target, int64_t n);
  double (*binary_cross_entropy_with_logits)(const float* x, const float* target, int64_t n);
  // The same element by element.
  void (*squared_error_each)(const float* x, const float* target, float* loss, int64_t n);
  void (*binary_cross_entropy_each)(const float* x, const float* target, float* loss, int64_t n);
  void (*binary_cross_entropy_with_logits_each)(const float* x, const float* target, float* loss,
                                                int64_t n);
  // dx = d loss[i] / d x[i] times dloss[i * dloss_stride] times scale; dloss_stride is 0 or 1.
  using PairGradient = void (*)(const float* dloss, int dloss_stride, float scale, const float* x,
                                const float* target, float* dx, int64_t n);
  PairGradient squared_error_gradient;
  PairGradient binary_cross_entropy_gradient;
  PairGradient binary_cross_entropy_with_logits_gradient;
};

struct UpdateTable {
  void (*adam)(const float* p, const float* g, const float* m, const float* v, float* p_out,
               float* m_out, float* v_out, int64_t n, const AdamStep& step);
  void (*sgd)(const float* p, const float* g, float* p_out, int64_t n, const SgdStep& step);
  void (*sgd_momentum)(const float* p, const float* g, const float* momentum, float* p_out,
                       float* momentum_out, int64_t n, const SgdStep& step);
  // LAMB in two passes: the moments, with the sums of squares of parameter and direction; then the
  // parameter, `length` (the rate times the ratio of the norms) times the direction less.
  void (*lamb_moments)(const float* p, const float* g, const float* m, const float* v, float* m_out,
                       float* v_out, int64_t n, const LambStep& step, double* of_parameter,
                       double* of_direction);
  void (*lamb_parameter)(const float* p, const float* m, const float* v, float* p_out, int64_t n,
                         const LambStep& step, float length);
  void (*lion)(const float* p, const float* g, const float* m, float* p_out, float* m_out,
               int64_t n, const LionStep& step);
  // Without a momentum its pointers are null.
  void (*rmsprop)(const float* p, const float* g, const float* v, const float* momentum,
                  float* p_out, float* v_out, float* momentum_out, int64_t n,
                  const RmspropStep& step);
  void (*adagrad)(const float* p, const float* g, const float* sum, float* p_out, float* sum_out,
                  int64_t n, const AdagradStep& step);
};

struct MovementTable {
  // y[j * y_stride + i] = x[i * x_stride + j] for i < rows, j < columns; 4-byte elements.
  void (*transpose)(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride,
                    int64_t rows, int64_t columns);
  // Words from Philox (kernels/philox.h) decide; mask may be null. `first` is the number of x[0] in
  // its tensor, a multiple of 4.
  void (*dropout)(const float* x, float* y, uint8_t* mask, int64_t first, int64_t n,
                  const void* draw, float scale);
  void (*masked_scale)(const float* x, const uint8_t* mask, float* y, int64_t n, float scale);
};

struct ResamplingTable {
  // y[j, i] = sum over t < taps of weight[j, t] x[index[j, t], i], for j < length, i < inner.
  void (*gather)(const float* x, const int32_t* index, const float* weight, int64_t length,
                 int64_t taps, int64_t inner, float* y);
  // dx[index[j, t], i] += weight[j, t] dy[j, i]
  void (*scatter)(const float* dy, const int32_t* index, const float* weight, int64_t length,
                  int64_t taps, int64_t inner, float* dx);
};

// An activation of a recurrent cell. `gradient` starts from its value. Where the cell clips, a
// value of `low` or `high` is that of a bound.
struct CellLoops {
  UnaryLoop apply;
  GradientLoop gradient;
  float alpha = 0, beta = 0, low = 0, high = 0;
};
struct RecurrentCell {
  CellLoops functions[3];            // ONNX's f, g and h
  float clip = 0;                    // 0: none
  bool input_forget = false;         // LSTM
  const float* peepholes = nullptr;  // LSTM: of input, output and forget gate, n values each
};

// One step of one row: states of n values, gates of n values each, one after the other in ONNX's
// order. Gates come in as the sums of their products and go out as the activations' values.
struct RecurrentTable {
  UnaryLoop activation[kCount<CellActivation>];
  GradientLoop activation_gradient[kCount<CellActivation>];

  void (*lstm)(float* gates, const float* cells, float* new_cells, float* h, int64_t n,
               const RecurrentCell& cell);
  // dh is the gradient of h and is left 0; dcells is that of the new cells and becomes that of the
  // old ones. dpeepholes (may be null) is added to.
  void (*lstm_gradient)(const float* gates, const float* cells, float* dh, float* dcells,
                        float* dgates, float* dpeepholes, int64_t n, const RecurrentCell& cell);
  // Update and reset gate; where the reset comes before the product, `reset` is reset times h.
  void (*gru_gates)(float* gates, const float* h, float* reset, int64_t n,
                    const RecurrentCell& cell);
  // The candidate and the new state. `hidden` (null where the reset came before) is the product
  // that the reset gate scales.
  void (*gru_state)(float* gates, const float* hidden, const float* h, float* new_h, int64_t n,
                    const RecurrentCell& cell);
  // Gradients of update gate and candidate; dh becomes the part of it that goes straight on.
  void (*gru_state_gradient)(const float* gates, const float* h, float* dh, float* dgates,
                             int64_t n, const RecurrentCell& cell);
  // The gradient of the reset gate. Reset before the product: dreset is the gradient of reset times
  // h, and dh is added to. After it: dhidden becomes the gradient of `hidden`.
  void (*gru_reset_before_gradient)(const float* gates, const float* h, const float* dreset,
                                    float* dh, float* dgates, int64_t n, const RecurrentCell& cell);
  void (*gru_reset_after_gradient)(const float* gates, const float* hidden, float* dgates,
                                   float* dhidden, int64_t n, const RecurrentCell& cell);
  // One gate: y = f(sum), and dsum = dy times its slope.
  void (*gate)(const float* sum, float* y, int64_t n, const RecurrentCell& cell);
  void (*gate_gradient)(const float* dy, const float* y, float* dsum, int64_t n,
                        const RecurrentCell& cell);
};

struct Table {
  const ElementwiseTable* elementwise;
  const ReductionTable* reduction;
  const SoftmaxTable* softmax;
  const NormalizationTable* normalization;
  const LossTable* loss;
  const UpdateTable* update;
  const MovementTable* movement;
  const ResamplingTable* resampling;
  const RecurrentTable* recurrent;
};

}  // namespace headrace::vector

namespace headrace::baseline {
extern const vector::Table table;
}
namespace headrace::avx2 {
extern const vector::Table table;
}
namespace headrace::avx512 {
extern const vector::Table table;
}
