#include "graph/ops/rules.h"

#include <algorithm>

namespace headrace {

void require_inputs(const Node& node, size_t least, size_t most) {
  const size_t count = node.inputs.size();
  require(count >= least && count <= most, "{} inputs, {}{} wanted", count, least,
          least == most ? "" : fmt::format(" to {}", most));
  for (size_t i = 0; i < least; ++i) require(has_input(node, i), "input {} is left out", i);
}

void require_float(const TensorType& type) {
  require(is_float(type.dtype), "a float tensor is wanted, not {}", to_string(type));
}

void require_same(const TensorType& a, const TensorType& b) {
  require(a == b, "operands {} and {} differ", to_string(a), to_string(b));
}

void require_type(std::string_view what, const TensorType& is, const TensorType& wanted) {
  require(is == wanted, "{} is {}, {} wanted", what, to_string(is), to_string(wanted));
}

int64_t require_axis(const Node& node, const TensorType& x) {
  const int64_t axis = node.attributes.get_int("axis");
  require(axis >= 0 && axis < x.rank(), "axis {} is outside {}", axis, to_string(x));
  return axis;
}

const std::vector<int64_t>& require_ints(const Node& node, std::string_view name, size_t count,
                                         int64_t least) {
  const auto& list = node.attributes.get_ints(name);
  require(list.size() == count, "{} has {} entries, {} wanted", name, list.size(), count);
  for (int64_t entry : list) require(entry >= least, "{} {} is below {}", name, entry, least);
  return list;
}

bool relu_follows(const Attributes& attributes) {
  return attributes.get_string("activation", "") == "relu";
}

void require_activation(const Node& node) {
  const auto activation = node.attributes.get_string("activation", "");
  require(activation.empty() || activation == "relu", "activation \"{}\" is not known", activation);
}

Types infer_unary(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  return {in[0]};
}

Types infer_float_unary(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  return {in[0]};
}

Types infer_grad_pair(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require_float(in[0]);
  require_same(in[0], in[1]);
  return {in[0]};
}

Cost traffic(TypeSpan in, TypeSpan out) {
  Cost cost;
  for (const auto& type : in) cost.bytes += static_cast<double>(type.bytes());
  for (const auto& type : out) cost.bytes += static_cast<double>(type.bytes());
  return cost;
}

void require_only_first_output(const GradContext& g) {
  for (size_t i = 1; i < g.node().outputs.size(); ++i)
    require(g.output_grad(i) == kNoValue, "node '{}' ({}): output {} has no gradient",
            g.node().name, g.node().op, i);
}

Attributes with_input_shape(const GradContext& g) {
  Attributes attributes = g.attributes();
  attributes.set("input_shape", g.type(g.input(0)).shape);
  return attributes;
}

ValueId as_matrix(GradContext& g, ValueId x) {
  const auto& type = g.type(x);
  if (type.rank() == 2) return x;
  const int64_t columns = type.shape.back();
  const int64_t rows = element_count(std::span(type.shape).first(type.shape.size() - 1));
  return g.emit("Reshape", {x}, {{"shape", Shape{rows, columns}}});
}

}  // namespace headrace
