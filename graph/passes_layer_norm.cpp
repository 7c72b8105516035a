#include <algorithm>
#include <optional>

#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

struct Normalized {
  ValueId x = kNoValue;
  int64_t axis = 0;
  double epsilon = 0;
};

// The first axis when `value` is the mean of `x` over its last axes, kept as 1; else -1.
int64_t mean_axis(const Rewriter& r, ValueId value, ValueId x) {
  const Node* mean = r.maker(value, "ReduceMean");
  if (mean == nullptr || mean->inputs[0] != x || mean->attributes.get_int("keepdims", 1) == 0)
    return -1;
  const auto& axes = mean->attributes.get_ints("axes");
  if (axes.empty()) return -1;
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != r.type(x).rank() - static_cast<int64_t>(axes.size() - i)) return -1;
  return axes.front();
}

// x - mean(x): x, or kNoValue.
ValueId centred(const Rewriter& r, ValueId value, int64_t& axis) {
  const Node* difference = r.maker(value, "Sub");
  if (difference == nullptr) return kNoValue;
  axis = mean_axis(r, difference->inputs[1], difference->inputs[0]);
  return axis < 0 ? kNoValue : difference->inputs[0];
}

// The base of a square written as Pow or Mul, or kNoValue.
ValueId squared(const Rewriter& r, ValueId value) {
  if (const Node* power = r.maker(value, "Pow")) {
    const Value& exponent = r.graph().value(power->inputs[1]);
    const bool integer = exponent.role == Role::constant && exponent.type.elements() == 1 &&
                         !is_float(exponent.type.dtype);
    if (r.number(power->inputs[1]) == 2.0 || (integer && to_int64s(exponent.data)[0] == 2))
      return power->inputs[0];
  }
  const Node* product = r.maker(value, "Mul");
  return product != nullptr && product->inputs[0] == product->inputs[1] ? product->inputs[0]
                                                                        : kNoValue;
}

// sqrt(mean((x - mean(x))^2) + epsilon)
std::optional<double> epsilon_of_deviation(const Rewriter& r, ValueId value, ValueId x,
                                           int64_t axis) {
  const Node* root = r.maker(value, "Sqrt");
  const Node* sum = root == nullptr ? nullptr : r.maker(root->inputs[0], "Add");
  if (sum == nullptr) return std::nullopt;
  const size_t constant = r.number(sum->inputs[0]) ? 0 : 1;
  const auto epsilon = r.number(sum->inputs[constant]);
  const Node* variance = r.maker(sum->inputs[1 - constant], "ReduceMean");
  if (!epsilon || variance == nullptr) return std::nullopt;
  const ValueId square = variance->inputs[0];
  int64_t centre_axis = -1;
  if (mean_axis(r, variance->outputs[0], square) != axis ||
      centred(r, squared(r, square), centre_axis) != x || centre_axis != axis)
    return std::nullopt;
  return epsilon;
}

// A quotient, or a product with a reciprocal.
std::optional<Normalized> normalized(const Rewriter& r, ValueId value) {
  if (!r.is_private(value)) return std::nullopt;
  ValueId numerator = kNoValue, deviation = kNoValue;
  if (const Node* quotient = r.maker(value, "Div")) {
    numerator = quotient->inputs[0];
    deviation = quotient->inputs[1];
  } else if (const Node* product = r.maker(value, "Mul")) {
    for (const size_t i : {0, 1})
      if (const Node* reciprocal = r.maker(product->inputs[i], "Reciprocal")) {
        numerator = product->inputs[1 - i];
        deviation = reciprocal->inputs[0];
      }
  }
  Normalized result;
  result.x = centred(r, numerator, result.axis);
  if (result.x == kNoValue) return std::nullopt;
  const auto epsilon = epsilon_of_deviation(r, deviation, result.x, result.axis);
  if (!epsilon) return std::nullopt;
  result.epsilon = *epsilon;
  return result;
}

bool covers(const Rewriter& r, ValueId weight, const Normalized& of) {
  const TensorType& x = r.type(of.x);
  return r.type(weight) == TensorType{x.dtype, Shape(x.shape.begin() + of.axis, x.shape.end())};
}

bool put_layer_norm(Rewriter& r, NodeId place, const Normalized& of, ValueId scale, ValueId bias) {
  Node fused = r.node(place);
  TensorType statistics = r.type(of.x);
  statistics.dtype = statistics.dtype == DType::f64 ? DType::f64 : DType::f32;
  std::fill(statistics.shape.begin() + of.axis, statistics.shape.end(), 1);
  fused.op = "LayerNormalization";
  fused.inputs = {of.x, scale};
  if (bias != kNoValue) fused.inputs.push_back(bias);
  fused.attributes = {{"axis", of.axis}, {"epsilon", of.epsilon}};
  fused.outputs = {fused.outputs[0], r.add_output(fused.name + "/mean", statistics),
                   r.add_output(fused.name + "/inv_std", statistics)};
  r.replace(place, std::move(fused));
  return true;
}

}  // namespace

bool fuse_layer_norm(Rewriter& r, NodeId id) {
  const Node root = r.node(id);
  if (root.op == "Mul") {
    for (const size_t i : {0, 1})
      if (const auto x = normalized(r, root.inputs[i]); x && covers(r, root.inputs[1 - i], *x))
        return put_layer_norm(r, id, *x, root.inputs[1 - i], kNoValue);
    return false;
  }
  if (root.op != "Add") return false;
  for (const size_t i : {0, 1}) {
    const Node* scaled = r.maker(root.inputs[i], "LayerNormalization");
    if (scaled == nullptr || scaled->inputs.size() > 2 || !r.is_private(root.inputs[i])) continue;
    const Normalized of{scaled->inputs[0], scaled->attributes.get_int("axis"),
                        scaled->attributes.get_float("epsilon")};
    const ValueId bias = root.inputs[1 - i];
    if (covers(r, bias, of)) return put_layer_norm(r, id, of, scaled->inputs[1], bias);
  }
  return false;
}

}  // namespace headrace
