#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/attributes.h"
#include "graph/tensor_type.h"
#include "kernels/kernel.h"

// The table of operators: one row for each form of a canonical operator that kernels must know.
// Every row is checked against hand-written loops on every device, its gradient against finite
// differences, it is timed by kernel_bench and counted in docs/operators.md. A new operator needs a
// row here and nothing else in the tests.
namespace headrace {

// One input and how its values are drawn: uniform in [low, high], integers included.
struct InputSpec {
  TensorType type;
  double low = -1, high = 1;
  bool present = true;
  bool differentiable = false;  // a parameter of the case; finite differences check its gradient
  bool constant = false;        // a constant of the graph, which a kernel may pack
  int sprinkle_every = 0;       // each such element is `sprinkle` instead
  double sprinkle = 0;
};

struct OperatorRow {
  std::string op;
  Attributes attributes;
  std::vector<InputSpec> inputs;
  std::vector<size_t> outputs = {0};  // those that the gradient check projects
  StepContext step = {
      .seed = 7, .step = 3, .microbatch = 1, .learning_rate = 0.05, .gradient_scale = 0.5};
};

// "Conv(f32[2, 3, 8, 8], f32[4, 3, 3, 3]) {group=1, ...}"
std::string to_string(const OperatorRow& row);

// Small shapes, every form; and shapes of real networks, for timing.
const std::vector<OperatorRow>& operator_table();
const std::vector<OperatorRow>& benchmark_table();
// Forms in f16 and bf16 of the operators that --precision computes in them and that devices have
// kernels for: products and attention. For checks of devices alone.
const std::vector<OperatorRow>& narrow_table();

// The distinct operators of a table, in its order.
std::vector<std::string> operators_of(const std::vector<OperatorRow>& table);

// How close a kernel comes to the reference, which computes in f64 from the same f32 inputs.
enum class Tolerance {
  exact,         // integers, bools and everything that only moves
  elementwise,   // 1e-6 of the value and 1e-7 of the tensor's largest
  accumulation,  // 2e-6 of the sum of the terms' magnitudes
  statistics,    // 1e-5 of the value and 1e-6 of the tensor's largest
};               // beyond that, four units of a 16-bit output's rounding at its largest
Tolerance tolerance_of(std::string_view op);
// Such an output means nothing but to its own backend's gradient kernel.
bool is_opaque(std::string_view op, size_t output);

// Rows of one family each.
using Table = std::vector<OperatorRow>;
void add_elementwise_rows(Table& table);
void add_reduction_rows(Table& table);
void add_normalization_rows(Table& table);
void add_product_rows(Table& table);
void add_attention_rows(Table& table);
void add_convolution_rows(Table& table);
void add_transposed_convolution_rows(Table& table);
void add_pooling_rows(Table& table);
void add_resampling_rows(Table& table);
void add_sampling_rows(Table& table);
void add_movement_rows(Table& table);
void add_indexing_rows(Table& table);
void add_recurrent_rows(Table& table);
void add_loss_rows(Table& table);
void add_update_rows(Table& table);

// Inputs.
inline InputSpec f32(Shape shape, double low = -2, double high = 2) {
  return {.type = {DType::f32, std::move(shape)}, .low = low, .high = high, .differentiable = true};
}
inline InputSpec fixed(InputSpec spec) {
  spec.differentiable = false;
  return spec;
}
inline InputSpec constant(InputSpec spec) {
  spec.differentiable = false;
  spec.constant = true;
  return spec;
}
inline InputSpec sprinkled(InputSpec spec, int every, double value) {
  spec.sprinkle_every = every;
  spec.sprinkle = value;
  return spec;
}
inline InputSpec number(DType dtype, Shape shape, double low, double high) {
  return {.type = {dtype, std::move(shape)}, .low = low, .high = high};
}
inline InputSpec i64(Shape shape, double low, double high) {
  return number(DType::i64, std::move(shape), low, high);
}
inline InputSpec i32(Shape shape, double low, double high) {
  return number(DType::i32, std::move(shape), low, high);
}
inline InputSpec boolean(Shape shape) { return number(DType::boolean, std::move(shape), 0, 1); }
inline InputSpec absent() { return {.type = {DType::f32, {0}}, .present = false}; }

// Integer attributes are int64_t.
using Ints = std::vector<int64_t>;
constexpr int64_t operator""_i(unsigned long long value) { return static_cast<int64_t>(value); }

}  // namespace headrace
