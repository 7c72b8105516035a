#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "graph/op_def.h"

// What the operators' rules share: checks in the words of a user, the commonest shape rules and
// costs, and two forms of writing a gradient.
namespace headrace {

using Types = std::vector<TensorType>;
using TypeSpan = std::span<const TensorType>;
using Gradients = std::vector<ValueId>;

template <typename... Args>
void require(bool fits, fmt::format_string<Args...> format, Args&&... args) {
  if (!fits) throw Error("{}", fmt::format(format, std::forward<Args>(args)...));
}

inline bool has_input(const Node& node, size_t i) {
  return i < node.inputs.size() && node.inputs[i] != kNoValue;
}

// The node has `least` to `most` inputs and the first `least` are present.
void require_inputs(const Node& node, size_t least, size_t most);
inline void require_inputs(const Node& node, size_t count) { require_inputs(node, count, count); }
void require_float(const TensorType& type);
void require_same(const TensorType& a, const TensorType& b);
// "bias is f32[3], f32[4] wanted"
void require_type(std::string_view what, const TensorType& is, const TensorType& wanted);
int64_t require_axis(const Node& node, const TensorType& x);  // attribute `axis`, within x's rank
// Attribute `name` has `count` entries, each at least `least`.
const std::vector<int64_t>& require_ints(const Node& node, std::string_view name, size_t count,
                                         int64_t least);
bool relu_follows(const Attributes& attributes);  // attribute `activation` is "relu"
void require_activation(const Node& node);        // ... and if not, "" or absent

// Means, variances, log-sum-exps and losses are kept in f32, beside f64 data in f64.
inline DType statistics_dtype(DType x) { return x == DType::f64 ? DType::f64 : DType::f32; }

// One output like the only input, of any dtype or of a float one.
Types infer_unary(const Node& node, TypeSpan in);
Types infer_float_unary(const Node& node, TypeSpan in);
// Gradient operators of two like operands: dy and the input or output of the forward node.
Types infer_grad_pair(const Node& node, TypeSpan in);

// Flops of one element of a function that a CPU or GPU evaluates by a polynomial: exp, log, tanh,
// erf, sin. Divisions and square roots count kDivision.
inline constexpr int kTranscendental = 16;
inline constexpr int kDivision = 4;

// Bytes of every operand once, and no arithmetic.
Cost traffic(TypeSpan in, TypeSpan out);
// The same with `Flops` per element of the larger of first input and first output.
template <int Flops>
Cost cost_per_element(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  int64_t elements = in.empty() ? 0 : in[0].elements();
  if (!out.empty()) elements = std::max(elements, out[0].elements());
  cost.flops = static_cast<double>(Flops) * static_cast<double>(elements);
  return cost;
}

// One gradient per rule; a rule runs only when its input's gradient is needed. Rules are callables
// () -> ValueId in the order of the inputs.
template <typename... Rules>
Gradients per_input(const GradContext& g, Rules&&... rules) {
  size_t i = 0;
  Gradients result;
  (result.push_back(g.needs(i++) ? rules() : kNoValue), ...);
  return result;
}

// The same for operators that broadcast: each gradient is summed back to its input's shape.
template <typename... Rules>
Gradients per_broadcast_input(GradContext& g, Rules&&... rules) {
  Gradients result = per_input(g, std::forward<Rules>(rules)...);
  for (size_t i = 0; i < result.size(); ++i)
    if (result[i] != kNoValue) result[i] = g.sum_to(result[i], g.type(g.input(i)).shape);
  return result;
}

inline ValueId no_gradient() { return kNoValue; }
// Piecewise constant functions: the gradient is zero wherever it exists.
inline Gradients zero_gradient(GradContext& g) { return Gradients(g.input_count(), kNoValue); }

// Rules of operators whose further outputs are by-products: throws Error when something that leads
// to the loss reads one of them.
void require_only_first_output(const GradContext& g);

// What a gradient operator needs that does not see the forward node's input: its attributes and the
// input's shape as `input_shape`.
Attributes with_input_shape(const GradContext& g);
// All dimensions but the last as the rows of one matrix.
ValueId as_matrix(GradContext& g, ValueId x);

}  // namespace headrace
