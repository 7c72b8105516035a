#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_scan(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require(in[0].dtype != DType::boolean, "numbers are wanted, not {}", to_string(in[0]));
  require_axis(node, in[0]);
  return {in[0]};
}

Types infer_product_grad(const Node& node, TypeSpan in) {
  require_axis(node, in[0]);
  return infer_grad_pair(node, in);
}

// An element takes part in the sums from its own on, so its gradient is theirs summed from behind.
Gradients grad_running_sum(GradContext& g) {
  Attributes attributes = g.attributes();
  attributes.set("reverse", int64_t{g.attributes().get_int("reverse", 0) == 0});
  return {g.emit("CumSum", {g.output_grad(0)}, attributes)};
}

Gradients grad_product(GradContext& g) {
  return {g.emit("CumProdGrad", {g.output_grad(0), g.input(0)}, g.attributes())};
}

}  // namespace

std::span<const OpDef> scan_ops() {
  static constexpr OpDef kOps[] = {
      {"CumSum", infer_scan, grad_running_sum, cost_per_element<1>},
      {"CumProd", infer_scan, grad_product, cost_per_element<1>},
      {"CumProdGrad", infer_product_grad, nullptr, cost_per_element<4>},
  };
  return kOps;
}

}  // namespace headrace
