#include <numeric>

#include "graph/ops/families.h"
#include "graph/ops/windows.h"

namespace headrace {
namespace {

Shape conv_output_shape(const Node& node, const TensorType& x, const TensorType& w) {
  require_float(x);
  require(x.dtype == w.dtype, "x is {}, w is {}: equal types wanted", to_string(x), to_string(w));
  require(w.rank() >= 3 && w.rank() == x.rank(), "x is {}, w is {}: equal ranks from 3 on wanted",
          to_string(x), to_string(w));
  const int64_t group = node.attributes.get_int("group", 1);
  require(group >= 1 && w.shape[0] % group == 0, "{} output channels in {} groups", w.shape[0],
          group);
  require(x.shape[1] == w.shape[1] * group, "x has {} channels, w {} wants {} in {} groups",
          x.shape[1], to_string(w), w.shape[1] * group, group);
  Shape shape{x.shape[0], w.shape[0]};
  const Shape positions = window_positions(node, x, std::span(w.shape).subspan(2));
  shape.insert(shape.end(), positions.begin(), positions.end());
  return shape;
}

Types infer_conv(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require_activation(node);
  Shape shape = conv_output_shape(node, in[0], in[1]);
  if (has_input(node, 2)) require_type("bias", in[2], {in[0].dtype, {in[1].shape[0]}});
  return {{in[0].dtype, std::move(shape)}};
}

Types infer_conv_input_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require_activation(node);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], {x.dtype, conv_output_shape(node, x, in[1])});
  if (has_input(node, 2)) require_type("bias", in[2], {x.dtype, {x.shape[1]}});
  return {x};
}

Types infer_conv_weight_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType w{in[1].dtype, node.attributes.get_ints("weight_shape")};
  require_type("dy", in[0], {w.dtype, conv_output_shape(node, in[1], w)});
  if (node.attributes.get_int("bias", 0) == 0) return {w};
  return {w, {w.dtype, {w.shape[0]}}};
}

Attributes window_of(const Attributes& attributes) {
  return {{"strides", attributes.get_ints("strides")},
          {"pads", attributes.get_ints("pads")},
          {"dilations", attributes.get_ints("dilations")},
          {"group", attributes.get_int("group", 1)}};
}

// The gradient of what stands before the node's activation.
ValueId before_activation(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return relu_follows(g.attributes()) ? g.emit("ReluGrad", {dy, g.output(0)}) : dy;
}

ValueId sum_per_channel(GradContext& g, ValueId dy) {
  std::vector<int64_t> all_but_channels(g.type(dy).shape.size() - 1, 0);
  std::iota(all_but_channels.begin() + 1, all_but_channels.end(), 2);
  return g.emit("ReduceSum", {dy}, {{"axes", all_but_channels}, {"keepdims", int64_t{0}}});
}

Gradients grad_conv(GradContext& g) {
  const ValueId x = g.input(0), w = g.input(1);
  const Attributes window = window_of(g.attributes());
  const ValueId dy = before_activation(g);
  Gradients grads(g.input_count(), kNoValue);
  if (g.needs(0)) {
    Attributes attributes = window;
    attributes.set("input_shape", g.type(x).shape);
    grads[0] = g.emit("ConvInputGrad", {dy, w}, attributes);
  }
  if (g.needs(1)) {
    Attributes attributes = window;
    attributes.set("weight_shape", g.type(w).shape);
    attributes.set("bias", static_cast<int64_t>(g.needs(2)));
    const auto outputs = g.emit_all("ConvWeightGrad", {dy, x}, attributes);
    grads[1] = outputs[0];
    if (g.needs(2)) grads[2] = outputs[1];
  } else if (g.needs(2)) {
    grads[2] = sum_per_channel(g, dy);
  }
  return grads;
}

// The product is linear in both: with respect to dy it is turned around by the convolution itself,
// with respect to w the two images change places.
Gradients grad_conv_input_grad(GradContext& g) {
  const ValueId dy = g.input(0), w = g.input(1);
  const ValueId ddx = before_activation(g);
  Gradients grads(g.input_count(), kNoValue);
  if (g.needs(0)) {
    Attributes attributes = window_of(g.attributes());
    attributes.set("activation", std::string());
    grads[0] = g.emit("Conv", {ddx, w}, attributes);
  }
  if (g.needs(1)) {
    Attributes attributes = window_of(g.attributes());
    attributes.set("weight_shape", g.type(w).shape);
    attributes.set("bias", int64_t{0});
    grads[1] = g.emit("ConvWeightGrad", {dy, ddx}, attributes);
  }
  if (g.needs(2)) grads[2] = sum_per_channel(g, ddx);
  return grads;
}

// A multiplication and an addition per weight of a filter and output element, padding included.
double conv_flops(const TensorType& y, const Shape& w) {
  return 2 * static_cast<double>(y.elements()) *
         static_cast<double>(element_count(std::span(w).subspan(1)));
}

Cost cost_conv(const Node& node, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = conv_flops(out[0], in[1].shape);
  if (has_input(node, 2)) cost.flops += static_cast<double>(out[0].elements());
  if (relu_follows(node.attributes)) cost.flops += static_cast<double>(out[0].elements());
  return cost;
}

Cost cost_conv_input_grad(const Node& node, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = conv_flops(in[0], in[1].shape);
  if (has_input(node, 2)) cost.flops += static_cast<double>(out[0].elements());
  if (relu_follows(node.attributes)) cost.flops += static_cast<double>(out[0].elements());
  return cost;
}

Cost cost_conv_weight_grad(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = conv_flops(in[0], out[0].shape);
  if (out.size() > 1) cost.flops += static_cast<double>(in[0].elements());
  return cost;
}

}  // namespace

std::span<const OpDef> convolution_ops() {
  static constexpr OpDef kOps[] = {
      {"Conv", infer_conv, grad_conv, cost_conv},
      {"ConvInputGrad", infer_conv_input_grad, grad_conv_input_grad, cost_conv_input_grad},
      {"ConvWeightGrad", infer_conv_weight_grad, nullptr, cost_conv_weight_grad},
  };
  return kOps;
}

}  // namespace headrace
