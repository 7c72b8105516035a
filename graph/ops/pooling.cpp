#include "graph/ops/families.h"
#include "graph/ops/windows.h"

namespace headrace {
namespace {

TensorType pooled(const Node& node, const TensorType& x) {
  const auto& kernel = node.attributes.get_ints("kernel_shape");
  const Shape positions =
      window_positions(node, x, kernel, node.attributes.get_int("ceil_mode", 0) != 0);
  Shape shape{x.shape[0], x.shape[1]};
  shape.insert(shape.end(), positions.begin(), positions.end());
  return {x.dtype, std::move(shape)};
}

DType index_dtype(const Node& node) {
  return element_count(node.attributes.get_ints("kernel_shape")) < 256 ? DType::u8 : DType::i32;
}

Types infer_max_pool(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const TensorType y = pooled(node, in[0]);
  return {y, {index_dtype(node), y.shape}};
}

Types infer_max_pool_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], pooled(node, x));
  require_type("index", in[1], {index_dtype(node), in[0].shape});
  return {x};
}

Types infer_max_pool_position(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const TensorType x{DType::f32, node.attributes.get_ints("input_shape")};
  require_type("index", in[0], {index_dtype(node), pooled(node, x).shape});
  return {{DType::i64, in[0].shape}};
}

Types infer_average_pool(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  return {pooled(node, in[0])};
}

Types infer_average_pool_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], pooled(node, x));
  return {x};
}

Gradients grad_max_pool(GradContext& g) {
  return {g.emit("MaxPoolGrad", {g.output_grad(0), g.output(1)}, with_input_shape(g))};
}

Gradients grad_average_pool(GradContext& g) {
  return {g.emit("AveragePoolGrad", {g.output_grad(0)}, with_input_shape(g))};
}

// One operation per element of a window.
Cost cost_pool(const Node& node, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(out[0].elements()) *
               static_cast<double>(element_count(node.attributes.get_ints("kernel_shape")));
  return cost;
}

Cost cost_average_pool_grad(const Node& node, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(in[0].elements()) *
               static_cast<double>(element_count(node.attributes.get_ints("kernel_shape")));
  return cost;
}

}  // namespace

std::span<const OpDef> pooling_ops() {
  static constexpr OpDef kOps[] = {
      {"MaxPool", infer_max_pool, grad_max_pool, cost_pool},
      {"MaxPoolGrad", infer_max_pool_grad, nullptr, cost_per_element<1>},
      {"MaxPoolPosition", infer_max_pool_position, nullptr, cost_per_element<kDivision>},
      {"AveragePool", infer_average_pool, grad_average_pool, cost_pool},
      {"AveragePoolGrad", infer_average_pool_grad, nullptr, cost_average_pool_grad},
  };
  return kOps;
}

}  // namespace headrace
