#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_det(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  const Shape& shape = in[0].shape;
  require(shape.size() >= 2 && shape.back() == shape[shape.size() - 2],
          "{} holds no square matrices", to_string(in[0]));
  return {{in[0].dtype, {shape.begin(), shape.end() - 2}}};
}

Types infer_det_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  Node forward;
  forward.inputs = {node.inputs[1]};
  require_type("dy", in[0], infer_det(forward, in.subspan(1))[0]);
  return {in[1]};
}

Gradients grad_det(GradContext& g) { return {g.emit("DetGrad", {g.output_grad(0), g.input(0)})}; }

double order_of(const TensorType& matrices) { return static_cast<double>(matrices.shape.back()); }

// Elimination takes 2/3 n^3 for each of the matrices of n^2 elements; the gradient, of each minor.
Cost cost_det(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(in[0].elements()) * order_of(in[0]) * 2 / 3;
  return cost;
}
Cost cost_det_grad(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  const double n = order_of(in[1]);
  cost.flops = static_cast<double>(in[1].elements()) * n * n * n * 2 / 3;
  return cost;
}

}  // namespace

std::span<const OpDef> determinant_ops() {
  static constexpr OpDef kOps[] = {
      {"Det", infer_det, grad_det, cost_det},
      {"DetGrad", infer_det_grad, nullptr, cost_det_grad},
  };
  return kOps;
}

}  // namespace headrace
