#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_dropout(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  const double ratio = node.attributes.get_float("ratio");
  require(ratio >= 0 && ratio < 1, "ratio {} is outside [0, 1)", ratio);
  return {in[0], {DType::boolean, in[0].shape}};
}

Types infer_dropout_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require_type("mask", in[1], {DType::boolean, in[0].shape});
  return {in[0]};
}

Types infer_random_uniform(const Node& node, TypeSpan) {
  require_inputs(node, 0);
  const auto& name = node.attributes.get_string("dtype");
  const auto dtype = dtype_named(name);
  require(dtype && is_float(*dtype), "\"{}\" is no float type", name);
  const auto& shape = node.attributes.get_ints("shape");
  for (int64_t dim : shape) require(dim >= 0, "the shape {} is not one", to_string(shape));
  element_count(shape);
  return {{*dtype, shape}};
}

Gradients grad_dropout(GradContext& g) {
  return {g.emit("DropoutGrad", {g.output_grad(0), g.output(1)},
                 {{"ratio", g.attributes().get_float("ratio")}})};
}

// Philox: ten rounds for four numbers.

}  // namespace

std::span<const OpDef> random_ops() {
  static constexpr OpDef kOps[] = {
      {"Dropout", infer_dropout, grad_dropout, cost_per_element<12>},
      {"DropoutGrad", infer_dropout_grad, nullptr, cost_per_element<2>},
      {"RandomUniform", infer_random_uniform, zero_gradient, cost_per_element<12>},
  };
  return kOps;
}

}  // namespace headrace
