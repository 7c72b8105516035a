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

// `node` as a quotient, or a product with a reciprocal, of the centred and the deviation.
std::optional<Normalized> normalized(const Rewriter& r, const Node& node) {
  ValueId numerator = kNoValue, deviation = kNoValue;
  if (node.op == "Div") {
    numerator = node.inputs[0];
    deviation = node.inputs[1];
  } else if (node.op == "Mul") {
    for (const size_t i : {0, 1})
      if (const Node* reciprocal = r.maker(node.inputs[i], "Reciprocal")) {
        numerator = node.inputs[1 - i];
        deviation = reciprocal->inputs[0];
      }
  }
  Normalized result;
  result.x = centred(r, numerator, result.axis);
  if (result.x == kNoValue || result.axis == 0) return std::nullopt;
  const auto epsilon = epsilon_of_deviation(r, deviation, result.x, result.axis);
  if (!epsilon) return std::nullopt;
  result.epsilon = *epsilon;
  return result;
}

TensorType part_type(const Rewriter& r, const Normalized& of) {
  const TensorType& x = r.type(of.x);
  return {x.dtype, Shape(x.shape.begin() + of.axis, x.shape.end())};
}

bool covers(const Rewriter& r, ValueId weight, const Normalized& of) {
  return r.type(weight) == part_type(r, of);
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

bool put_without_scale(Rewriter& r, NodeId place, const Normalized& of) {
  const TensorType part = part_type(r, of);
  if (part.dtype != DType::f32 && part.dtype != DType::f64) return false;
  auto [ones, bytes] = allocate_host_tensor(part);
  const auto count = static_cast<size_t>(part.elements());
  if (part.dtype == DType::f64)
    std::fill_n(reinterpret_cast<double*>(bytes), count, 1.0);
  else
    std::fill_n(reinterpret_cast<float*>(bytes), count, 1.0F);
  return put_layer_norm(r, place, of, r.add_constant(r.node(place).name + "/ones", ones), kNoValue);
}

bool is_one_throughout(const Rewriter& r, ValueId scale) {
  const Value& value = r.graph().value(scale);
  if (value.role != Role::constant) return false;
  const auto numbers = to_doubles(value.data);
  return std::all_of(numbers.begin(), numbers.end(), [](double x) { return x == 1; });
}

// A normalisation without a bias whose result one node alone reads.
std::optional<Normalized> without_bias(const Rewriter& r, ValueId value) {
  const Node* node = r.maker(value, "LayerNormalization");
  if (node == nullptr || node->inputs.size() > 2 || !r.is_private(value)) return std::nullopt;
  return Normalized{node->inputs[0], node->attributes.get_int("axis"),
                    node->attributes.get_float("epsilon")};
}

// beta - mean scale, the last term also as a product with -mean or the negative of a product.
// Gives beta, and the mean.
struct Shift {
  ValueId beta = kNoValue, mean = kNoValue;
};
ValueId other_factor(const Rewriter& r, ValueId product, ValueId factor) {
  const Node* node = r.maker(product, "Mul");
  if (node == nullptr) return kNoValue;
  for (const size_t i : {0, 1})
    if (node->inputs[i] == factor) return node->inputs[1 - i];
  return kNoValue;
}
Shift shift_of(const Rewriter& r, ValueId value, ValueId scale) {
  if (const Node* difference = r.maker(value, "Sub"))
    return {difference->inputs[0], other_factor(r, difference->inputs[1], scale)};
  const Node* sum = r.maker(value, "Add");
  if (sum == nullptr) return {};
  for (const size_t i : {0, 1}) {
    const ValueId beta = sum->inputs[1 - i];
    if (const Node* negative = r.maker(sum->inputs[i], "Neg"))
      if (const ValueId mean = other_factor(r, negative->inputs[0], scale); mean != kNoValue)
        return {beta, mean};
    const Node* negative = r.maker(other_factor(r, sum->inputs[i], scale), "Neg");
    if (negative != nullptr) return {beta, negative->inputs[0]};
  }
  return {};
}

// x s + (beta - mean s) with s = scale / sqrt(variance + epsilon), as TensorFlow writes it.
bool fuse_scaled_and_shifted(Rewriter& r, NodeId id) {
  const Node root = r.node(id);
  for (const size_t i : {0, 1}) {
    const Node* product = r.maker(root.inputs[i], "Mul");
    if (product == nullptr) continue;
    for (const size_t j : {0, 1}) {
      Normalized of{.x = product->inputs[j]};
      const ValueId s = product->inputs[1 - j];
      const Node* scaled = r.maker(s, "Mul");
      const Shift shift = shift_of(r, root.inputs[1 - i], s);
      if (scaled == nullptr || shift.mean == kNoValue) continue;
      of.axis = mean_axis(r, shift.mean, of.x);
      if (of.axis < 1) continue;
      for (const size_t k : {0, 1}) {
        const Node* reciprocal = r.maker(scaled->inputs[k], "Reciprocal");
        if (reciprocal == nullptr) continue;
        const auto epsilon = epsilon_of_deviation(r, reciprocal->inputs[0], of.x, of.axis);
        const ValueId scale = scaled->inputs[1 - k];
        if (!epsilon || !covers(r, scale, of) || !covers(r, shift.beta, of)) continue;
        of.epsilon = *epsilon;
        return put_layer_norm(r, id, of, scale, shift.beta);
      }
    }
  }
  return false;
}

}  // namespace

bool fuse_layer_norm(Rewriter& r, NodeId id) {
  const Node root = r.node(id);
  if (const auto of = normalized(r, root)) return put_without_scale(r, id, *of);
  if (root.op == "Mul") {
    for (const size_t i : {0, 1})
      if (const auto of = without_bias(r, root.inputs[i]);
          of && is_one_throughout(r, r.maker(root.inputs[i], "LayerNormalization")->inputs[1]) &&
          covers(r, root.inputs[1 - i], *of))
        return put_layer_norm(r, id, *of, root.inputs[1 - i], kNoValue);
    return false;
  }
  if (root.op != "Add") return false;
  for (const size_t i : {0, 1})
    if (const auto of = without_bias(r, root.inputs[i]); of && covers(r, root.inputs[1 - i], *of)) {
      const ValueId scale = r.maker(root.inputs[i], "LayerNormalization")->inputs[1];
      return put_layer_norm(r, id, *of, scale, root.inputs[1 - i]);
    }
  return fuse_scaled_and_shifted(r, id);
}

}  // namespace headrace
