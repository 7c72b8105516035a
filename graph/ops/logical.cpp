#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_comparison(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require(in[0].dtype == in[1].dtype, "operands {} and {}: equal types wanted", to_string(in[0]),
          to_string(in[1]));
  return {{DType::boolean, broadcast(in[0].shape, in[1].shape)}};
}

Types infer_logical(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require(in[0].dtype == DType::boolean, "bool operands are wanted, not {}", to_string(in[0]));
  return infer_comparison(node, in);
}

Types infer_not(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require(in[0].dtype == DType::boolean, "a bool operand is wanted, not {}", to_string(in[0]));
  return {in[0]};
}

Types infer_float_test(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  return {{DType::boolean, in[0].shape}};
}

Types infer_where(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  require(in[0].dtype == DType::boolean, "the condition is {}, bool wanted", to_string(in[0]));
  require(in[1].dtype == in[2].dtype, "operands {} and {}: equal types wanted", to_string(in[1]),
          to_string(in[2]));
  return {{in[1].dtype, broadcast(in[0].shape, broadcast(in[1].shape, in[2].shape))}};
}

// Selecting zero instead of multiplying by it keeps a NaN or infinity of the gradient out of the
// branch that was not taken.
Gradients grad_where(GradContext& g) {
  const ValueId condition = g.input(0), dy = g.output_grad(0);
  return per_broadcast_input(
      g, no_gradient,
      [&] {
        return g.emit("Where", {condition, dy, g.scalar(0, dy)});
      },
      [&] {
        return g.emit("Where", {condition, g.scalar(0, dy), dy});
      });
}

}  // namespace

std::span<const OpDef> logical_ops() {
  static constexpr OpDef kOps[] = {
      {"Equal", infer_comparison, nullptr, cost_per_element<1>},
      {"Less", infer_comparison, nullptr, cost_per_element<1>},
      {"LessOrEqual", infer_comparison, nullptr, cost_per_element<1>},
      {"Greater", infer_comparison, nullptr, cost_per_element<1>},
      {"GreaterOrEqual", infer_comparison, nullptr, cost_per_element<1>},
      {"And", infer_logical, nullptr, cost_per_element<1>},
      {"Or", infer_logical, nullptr, cost_per_element<1>},
      {"Xor", infer_logical, nullptr, cost_per_element<1>},
      {"Not", infer_not, nullptr, cost_per_element<1>},
      {"IsNaN", infer_float_test, nullptr, cost_per_element<1>},
      {"IsInf", infer_float_test, nullptr, cost_per_element<1>},
      {"Where", infer_where, grad_where, cost_per_element<1>},
  };
  return kOps;
}

}  // namespace headrace
