#include "graph/ops/recurrent.h"

#include <array>
#include <string_view>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(CellActivation::count)> kActivations = {
    "affine",   "elu",      "hard_sigmoid", "leaky_relu",      "relu", "scaled_tanh", "sigmoid",
    "softplus", "softsign", "tanh",         "thresholded_relu"};

CellActivation activation_named(std::string_view name) {
  const auto it = std::find(kActivations.begin(), kActivations.end(), name);
  require(it != kActivations.end(), "'{}' is no activation of a recurrent cell", name);
  return static_cast<CellActivation>(it - kActivations.begin());
}

// Beyond these the slope does not follow from the value.
void require_constants(const CellFunction& f) {
  const bool fits =
      (f.kind != CellActivation::elu && f.kind != CellActivation::leaky_relu) || f.alpha >= 0;
  require(fits && (f.kind != CellActivation::scaled_tanh || f.alpha != 0),
          "alpha {} of activation {}", f.alpha, kActivations[static_cast<size_t>(f.kind)]);
}

struct Sizes {
  int64_t steps = 0, rows = 0, hidden = 0;
};

// A sequence of `gates` blocks per step and the matrix that multiplies the hidden state.
Sizes sizes_of(const TensorType& sequence, const TensorType& r, int64_t gates) {
  require_float(r);
  require(r.rank() == 2 && r.shape[0] == gates * r.shape[1], "r is {}, [{} H, H] wanted",
          to_string(r), gates);
  const int64_t hidden = r.shape[1];
  require(sequence.dtype == r.dtype && sequence.rank() == 3 && sequence.shape[2] == gates * hidden,
          "the sequence is {}, {}[T, N, {}] wanted", to_string(sequence), name_of(r.dtype),
          gates * hidden);
  return {sequence.shape[0], sequence.shape[1], hidden};
}

struct CellTypes {
  TensorType sequence, state;
};

CellTypes types_of(const Sizes& s, DType dtype) {
  return {{dtype, {s.steps, s.rows, s.hidden}}, {dtype, {s.rows, s.hidden}}};
}

void require_lengths(const Node& node, TypeSpan in, size_t i, const Sizes& s) {
  if (has_input(node, i)) require_type("lengths", in[i], {DType::i32, {s.rows}});
}

void require_functions(const Node& node, size_t count) {
  const auto functions = cell_functions(node.attributes);
  require(functions.size() == count, "{} activations, {} wanted", functions.size(), count);
}

// Gradients of the outputs that something reads: the sequence, then the last states.
void require_gradients(const Node& node, TypeSpan in, size_t first, const CellTypes& types) {
  if (has_input(node, first)) require_type("dy", in[first], types.sequence);
  for (size_t i = first + 1; i < node.inputs.size(); ++i)
    if (has_input(node, i)) require_type("gradient of the last state", in[i], types.state);
}

void require_only_states(const GradContext& g, size_t states) {
  for (size_t i = 1 + states; i < g.node().outputs.size(); ++i)
    require(g.output_grad(i) == kNoValue, "output {} of {} is no result", i, g.node().op);
}

ValueId columns(GradContext& g, ValueId matrix, int64_t from, int64_t to) {
  const Shape shape = g.type(matrix).shape;
  return g.emit(
      "Slice", {matrix},
      {{"starts", Shape{0, from}}, {"ends", Shape{shape[0], to}}, {"steps", Shape{1, 1}}});
}

// The gradient of a matrix that multiplies `states` in every step: one product over all steps.
ValueId weight_gradient(GradContext& g, ValueId products, ValueId states) {
  return g.emit("MatMul", {products, states},
                {{"transpose_a", int64_t{1}}, {"transpose_b", int64_t{0}}});
}

// LSTM

Types infer_lstm(const Node& node, TypeSpan in) {
  require_inputs(node, 4, 6);
  require_functions(node, 3);
  const Sizes s = sizes_of(in[0], in[1], 4);
  const CellTypes types = types_of(s, in[0].dtype);
  require_type("h0", in[2], types.state);
  require_type("c0", in[3], types.state);
  if (has_input(node, 4)) require_type("peepholes", in[4], {in[0].dtype, {3 * s.hidden}});
  require_lengths(node, in, 5, s);
  return {types.sequence, types.state, types.state, in[0], types.sequence, types.sequence};
}

Types infer_lstm_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 8);
  require_functions(node, 3);
  const Sizes s = sizes_of(in[1], in[0], 4);
  const CellTypes types = types_of(s, in[0].dtype);
  require_type("previous_cells", in[2], types.sequence);
  const TensorType peepholes{in[0].dtype, {3 * s.hidden}};
  if (has_input(node, 3)) require_type("peepholes", in[3], peepholes);
  require_lengths(node, in, 4, s);
  require_gradients(node, in, 5, types);
  Types out{in[1], types.state, types.state};
  if (has_input(node, 3)) out.push_back(peepholes);
  return out;
}

Gradients grad_lstm(GradContext& g) {
  require_only_states(g, 2);
  const auto grads = g.emit_all("LstmSequenceGrad",
                                {g.input(1), g.output(3), g.output(5), g.input(4), g.input(5),
                                 g.output_grad(0), g.output_grad(1), g.output_grad(2)},
                                g.attributes());
  Gradients result = per_input(
      g, [&] { return grads[0]; },
      [&] { return weight_gradient(g, as_matrix(g, grads[0]), as_matrix(g, g.output(4))); },
      [&] { return grads[1]; }, [&] { return grads[2]; }, [&] { return grads[3]; }, no_gradient);
  result.resize(g.input_count());
  return result;
}

// GRU

Types infer_gru(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 5);
  require_functions(node, 2);
  const Sizes s = sizes_of(in[0], in[1], 3);
  const CellTypes types = types_of(s, in[0].dtype);
  require_type("h0", in[2], types.state);
  if (has_input(node, 3)) {
    require(node.attributes.get_int("linear_before_reset", 0) != 0,
            "a recurrent bias apart from xw is for linear_before_reset");
    require_type("the recurrent bias", in[3], {in[0].dtype, {s.hidden}});
  }
  require_lengths(node, in, 4, s);
  return {types.sequence, types.state, in[0], types.sequence, types.sequence};
}

Types infer_gru_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 4, 7);
  require_functions(node, 2);
  const Sizes s = sizes_of(in[1], in[0], 3);
  const CellTypes types = types_of(s, in[0].dtype);
  require_type("previous", in[2], types.sequence);
  require_type("hidden", in[3], types.sequence);
  require_lengths(node, in, 4, s);
  require_gradients(node, in, 5, types);
  Types out{in[1], types.state};
  if (node.attributes.get_int("linear_before_reset", 0) != 0) out.push_back(in[1]);
  return out;
}

// The rows of r that make the candidate multiply the reset state; with linear_before_reset all rows
// multiply the previous state, and the candidate's product has a gradient of its own.
Gradients grad_gru(GradContext& g) {
  require_only_states(g, 1);
  const bool linear = g.attributes().get_int("linear_before_reset", 0) != 0;
  const int64_t hidden = g.type(g.input(1)).shape[1];
  const auto grads = g.emit_all("GruSequenceGrad",
                                {g.input(1), g.output(2), g.output(3), g.output(4), g.input(4),
                                 g.output_grad(0), g.output_grad(1)},
                                g.attributes());
  const auto dr = [&] {
    if (linear) return weight_gradient(g, as_matrix(g, grads[2]), as_matrix(g, g.output(3)));
    const ValueId dxw = as_matrix(g, grads[0]);
    const ValueId of_gates =
        weight_gradient(g, columns(g, dxw, 0, 2 * hidden), as_matrix(g, g.output(3)));
    const ValueId of_candidate =
        weight_gradient(g, columns(g, dxw, 2 * hidden, 3 * hidden), as_matrix(g, g.output(4)));
    return g.emit("Concat", {of_gates, of_candidate}, {{"axis", int64_t{0}}});
  };
  const auto dbias = [&] {
    const ValueId products = columns(g, as_matrix(g, grads[2]), 2 * hidden, 3 * hidden);
    return g.emit("ReduceSum", {products}, {{"axes", Shape{0}}, {"keepdims", int64_t{0}}});
  };
  Gradients result = per_input(
      g, [&] { return grads[0]; }, dr, [&] { return grads[1]; }, dbias, no_gradient);
  result.resize(g.input_count());
  return result;
}

// RNN

Types infer_rnn(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 4);
  require_functions(node, 1);
  const Sizes s = sizes_of(in[0], in[1], 1);
  const CellTypes types = types_of(s, in[0].dtype);
  require_type("h0", in[2], types.state);
  require_lengths(node, in, 3, s);
  return {types.sequence, types.state, types.sequence};
}

Types infer_rnn_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 5);
  require_functions(node, 1);
  const Sizes s = sizes_of(in[1], in[0], 1);
  const CellTypes types = types_of(s, in[0].dtype);
  require_lengths(node, in, 2, s);
  require_gradients(node, in, 3, types);
  return {in[1], types.state};
}

Gradients grad_rnn(GradContext& g) {
  require_only_states(g, 1);
  const auto grads = g.emit_all(
      "RnnSequenceGrad", {g.input(1), g.output(0), g.input(3), g.output_grad(0), g.output_grad(1)},
      g.attributes());
  Gradients result = per_input(
      g, [&] { return grads[0]; },
      [&] { return weight_gradient(g, as_matrix(g, grads[0]), as_matrix(g, g.output(2))); },
      [&] { return grads[1]; }, no_gradient);
  result.resize(g.input_count());
  return result;
}

// A product with r and Flops of each gate and step.
template <size_t r, size_t sequence, int Flops>
Cost cost_sequence(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  const auto gates = static_cast<double>(in[sequence].elements());
  cost.flops = gates * (2 * static_cast<double>(in[r].shape[1]) + Flops);
  return cost;
}

constexpr int kGate = kTranscendental + kDivision;

}  // namespace

std::vector<CellFunction> cell_functions(const Attributes& attributes) {
  const std::string names = attributes.get_string("activations", "");
  const auto& alphas = attributes.get_floats("alphas");
  const auto& betas = attributes.get_floats("betas");
  std::vector<CellFunction> functions;
  for (size_t from = 0; from < names.size();) {
    const size_t to = std::min(names.find(' ', from), names.size());
    const size_t i = functions.size();
    require(i < alphas.size() && i < betas.size(), "{} alphas and {} betas for '{}'", alphas.size(),
            betas.size(), names);
    functions.push_back(
        {activation_named(std::string_view(names).substr(from, to - from)), alphas[i], betas[i]});
    require_constants(functions.back());
    from = to + 1;
  }
  return functions;
}

std::span<const OpDef> recurrent_ops() {
  static constexpr OpDef kOps[] = {
      {"LstmSequence", infer_lstm, grad_lstm, cost_sequence<1, 0, kGate + 8>},
      {"LstmSequenceGrad", infer_lstm_grad, nullptr, cost_sequence<0, 1, 16>},
      {"GruSequence", infer_gru, grad_gru, cost_sequence<1, 0, kGate + 4>},
      {"GruSequenceGrad", infer_gru_grad, nullptr, cost_sequence<0, 1, 12>},
      {"RnnSequence", infer_rnn, grad_rnn, cost_sequence<1, 0, kGate>},
      {"RnnSequenceGrad", infer_rnn_grad, nullptr, cost_sequence<0, 1, 4>},
  };
  return kOps;
}

}  // namespace headrace
