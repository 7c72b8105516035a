#include <limits>

#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

struct AttentionForm {
  int64_t queries, keys, width, value_width;
  int64_t causal = 0;
  Shape bias = {};
  int hidden_every = 0;  // each such entry of the bias is -inf
};

OperatorRow row_of(const AttentionForm& f, DType dtype) {
  constexpr int64_t kBatch = 2, kHeads = 3;
  const auto heads = [&](int64_t rows, int64_t width) {
    InputSpec spec = f32({kBatch, kHeads, rows, width});
    spec.type.dtype = dtype;
    return spec;
  };
  OperatorRow row{
      "Attention",
      {{"scale", 0.4}, {"causal", f.causal}},
      {heads(f.queries, f.width), heads(f.keys, f.width), heads(f.keys, f.value_width)}};
  if (f.bias.empty()) return row;
  InputSpec bias = fixed(f32(f.bias));
  if (f.hidden_every > 0) bias = sprinkled(bias, f.hidden_every, kMinusInfinity);
  row.inputs.push_back(bias);
  return row;
}

}  // namespace

void add_attention_rows(Table& t) {
  const AttentionForm forms[] = {
      {5, 5, 4, 4},
      {5, 7, 4, 6},
      {7, 7, 8, 8, 1},
      {5, 7, 4, 4, 1},
      {7, 5, 4, 4, 1},  // the last queries see every key
      {1, 6, 4, 4},
      {5, 7, 4, 6, 0, {5, 7}},
      {5, 7, 4, 6, 0, {1, 3, 5, 7}, 3},
      {5, 7, 4, 6, 0, {2, 1, 1, 7}, 4},
      {5, 7, 4, 6, 0, {2, 3, 5, 7}},
      {6, 6, 4, 4, 1, {3, 1, 6}},
  };
  for (const AttentionForm& form : forms) t.push_back(row_of(form, DType::f32));
}

const std::vector<OperatorRow>& narrow_table() {
  static const Table table = [] {
    Table t;
    for (const DType dtype : {DType::bf16, DType::f16}) {
      const auto in = [&](Shape shape) {
        InputSpec spec = f32(std::move(shape));
        spec.type.dtype = dtype;
        return spec;
      };
      for (int64_t a : {0, 1})
        for (int64_t b : {0, 1})
          t.push_back({"MatMul",
                       {{"transpose_a", a}, {"transpose_b", b}},
                       {in(a ? Shape{48, 32} : Shape{32, 48}),
                        in(b ? Shape{64, 48} : Shape{48, 64}), in({64})}});
      t.push_back({"MatMul",
                   {{"transpose_a", 0_i}, {"transpose_b", 1_i}},
                   {in({2, 3, 16, 24}), in({2, 3, 40, 24})}});
      // Widths in eights, and what a card's library has a kernel for or not.
      const AttentionForm forms[] = {
          {64, 64, 32, 32, 1},
          {64, 64, 16, 16},
          {37, 53, 64, 64},
          {37, 53, 64, 64, 1},
          {53, 37, 32, 32, 1},
          {32, 48, 16, 8},
          {1, 40, 16, 16},
          {24, 24, 20, 20, 1},
          {48, 64, 32, 32, 0, {48, 64}, 5},
          {48, 64, 32, 32, 0, {2, 1, 1, 64}, 3},
          {64, 64, 32, 32, 0, {1, 3, 64, 64}},
          {64, 64, 32, 32, 1, {2, 3, 64, 64}},
      };
      for (const AttentionForm& form : forms) t.push_back(row_of(form, dtype));
    }
    return t;
  }();
  return table;
}

}  // namespace headrace
