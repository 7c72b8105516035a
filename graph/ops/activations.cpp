#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_gelu(const Node& node, TypeSpan in) {
  const auto approximate = node.attributes.get_string("approximate", "none");
  require(approximate == "none" || approximate == "tanh", "approximate \"{}\" is not known",
          approximate);
  return infer_float_unary(node, in);
}

Types infer_gelu_grad(const Node& node, TypeSpan in) {
  const auto approximate = node.attributes.get_string("approximate", "none");
  require(approximate == "none" || approximate == "tanh", "approximate \"{}\" is not known",
          approximate);
  return infer_grad_pair(node, in);
}

// Each of these has an operator <name>Grad that takes dy and either the forward node's output or
// its input, and the forward node's attributes.
Gradients grad_from_output(GradContext& g) {
  return {g.emit(g.node().op + "Grad", {g.output_grad(0), g.output(0)}, g.attributes())};
}
Gradients grad_from_input(GradContext& g) {
  return {g.emit(g.node().op + "Grad", {g.output_grad(0), g.input(0)}, g.attributes())};
}

}  // namespace

std::span<const OpDef> activation_ops() {
  static constexpr OpDef kOps[] = {
      {"Relu", infer_unary, grad_from_output, cost_per_element<1>},
      {"Tanh", infer_float_unary, grad_from_output, cost_per_element<kTranscendental>},
      {"Sigmoid", infer_float_unary, grad_from_output, cost_per_element<kTranscendental>},
      {"Erf", infer_float_unary, grad_from_input, cost_per_element<kTranscendental>},
      {"Gelu", infer_gelu, grad_from_input, cost_per_element<kTranscendental + 4>},
      {"Softplus", infer_float_unary, grad_from_input, cost_per_element<2 * kTranscendental>},
      {"LeakyRelu", infer_float_unary, grad_from_input, cost_per_element<2>},
      {"Elu", infer_float_unary, grad_from_input, cost_per_element<kTranscendental>},
      {"HardSigmoid", infer_float_unary, grad_from_input, cost_per_element<4>},
      {"HardSwish", infer_float_unary, grad_from_input, cost_per_element<5>},
      {"Swish", infer_float_unary, grad_from_input, cost_per_element<kTranscendental + 2>},
      {"Mish", infer_float_unary, grad_from_input, cost_per_element<kTranscendental + 6>},
      {"Clip", infer_unary, grad_from_input, cost_per_element<2>},

      {"ReluGrad", infer_grad_pair, nullptr, cost_per_element<1>},
      {"TanhGrad", infer_grad_pair, nullptr, cost_per_element<3>},
      {"SigmoidGrad", infer_grad_pair, nullptr, cost_per_element<3>},
      {"ErfGrad", infer_grad_pair, nullptr, cost_per_element<kTranscendental>},
      {"GeluGrad", infer_gelu_grad, nullptr, cost_per_element<2 * kTranscendental>},
      {"SoftplusGrad", infer_grad_pair, nullptr, cost_per_element<kTranscendental>},
      {"LeakyReluGrad", infer_grad_pair, nullptr, cost_per_element<2>},
      {"EluGrad", infer_grad_pair, nullptr, cost_per_element<kTranscendental>},
      {"HardSigmoidGrad", infer_grad_pair, nullptr, cost_per_element<4>},
      {"HardSwishGrad", infer_grad_pair, nullptr, cost_per_element<5>},
      {"SwishGrad", infer_grad_pair, nullptr, cost_per_element<kTranscendental + 6>},
      {"MishGrad", infer_grad_pair, nullptr, cost_per_element<2 * kTranscendental + 8>},
      {"ClipGrad", infer_grad_pair, nullptr, cost_per_element<2>},
  };
  return kOps;
}

}  // namespace headrace
