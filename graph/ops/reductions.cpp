#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// x's shape with 1 on the reduced axes.
Shape kept_shape(const Attributes& attributes, Shape shape) {
  for (int64_t axis : attributes.get_ints("axes")) shape[static_cast<size_t>(axis)] = 1;
  return shape;
}

Types infer_reduce(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& axes = node.attributes.get_ints("axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    require(axes[i] >= 0 && axes[i] < in[0].rank(), "axis {} is outside {}", axes[i],
            to_string(in[0]));
    require(i == 0 || axes[i - 1] < axes[i], "axes {} are not ascending", to_string(axes));
  }
  Shape shape = kept_shape(node.attributes, in[0].shape);
  if (node.attributes.get_int("keepdims", 1) == 0)
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) shape.erase(shape.begin() + *axis);
  return {{in[0].dtype, std::move(shape)}};
}

Types infer_float_reduce(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  return infer_reduce(node, in);
}

// A tensor of the output's shape with the reduced axes put back as 1, so that it broadcasts to x.
ValueId keep_axes(GradContext& g, ValueId reduced) {
  const Shape shape = kept_shape(g.attributes(), g.type(g.input(0)).shape);
  return g.type(reduced).shape == shape ? reduced
                                        : g.emit("Reshape", {reduced}, {{"shape", shape}});
}

ValueId spread(GradContext& g, ValueId reduced) {
  return g.emit("Expand", {keep_axes(g, reduced)}, {{"shape", g.type(g.input(0)).shape}});
}

Gradients grad_sum(GradContext& g) { return {spread(g, g.output_grad(0))}; }

Gradients grad_mean(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  const auto n = static_cast<double>(g.type(g.input(0)).elements()) /
                 static_cast<double>(g.type(dy).elements());
  return {spread(g, g.emit("Mul", {dy, g.scalar(1 / n, dy)}))};
}

// Shared evenly by the elements that equal the extreme one.
Gradients grad_extreme(GradContext& g) {
  const ValueId x = g.input(0);
  const Attributes over{{"axes", g.attributes().get_ints("axes")}, {"keepdims", int64_t{1}}};
  const ValueId equal = g.emit("Equal", {x, keep_axes(g, g.output(0))});
  const ValueId ones = g.emit("Cast", {equal}, {{"to", std::string(name_of(g.type(x).dtype))}});
  const ValueId count = g.emit("ReduceSum", {ones}, over);
  const ValueId share = g.emit("Div", {keep_axes(g, g.output_grad(0)), count});
  return {g.emit("Mul", {ones, share})};
}

// An element's gradient is the product of the others: with zeros replaced by ones it is
// product / element, and it counts only where none of the others is zero.
Gradients grad_prod(GradContext& g) {
  const ValueId x = g.input(0), zero = g.scalar(0, x);
  const Attributes over{{"axes", g.attributes().get_ints("axes")}, {"keepdims", int64_t{1}}};
  const ValueId is_zero =
      g.emit("Cast", {g.emit("Equal", {x, zero})}, {{"to", std::string(name_of(g.type(x).dtype))}});
  const ValueId other_zeros = g.emit("Sub", {g.emit("ReduceSum", {is_zero}, over), is_zero});
  const ValueId nonzero = g.emit("Add", {x, is_zero});
  const ValueId others = g.emit("Div", {g.emit("ReduceProd", {nonzero}, over), nonzero});
  const ValueId slope = g.emit("Where", {g.emit("Equal", {other_zeros, zero}), others, zero});
  return {g.emit("Mul", {slope, keep_axes(g, g.output_grad(0))})};
}

}  // namespace

std::span<const OpDef> reduction_ops() {
  static constexpr OpDef kOps[] = {
      {"ReduceSum", infer_reduce, grad_sum, cost_per_element<1>},
      {"ReduceMean", infer_float_reduce, grad_mean, cost_per_element<1>},
      {"ReduceMax", infer_reduce, grad_extreme, cost_per_element<1>},
      {"ReduceMin", infer_reduce, grad_extreme, cost_per_element<1>},
      {"ReduceProd", infer_reduce, grad_prod, cost_per_element<1>},
  };
  return kOps;
}

}  // namespace headrace
