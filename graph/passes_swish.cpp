#include "graph/passes_factors.h"
#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

// What an activation's gate is a function of, read by nothing but the product, or kNoValue.
struct Gate {
  std::string op;  // of the whole
  Attributes attributes;
  double share = 1;  // the number that the product must have
};

// The gate that `value` is of `x`, if any.
std::optional<Gate> gate_of(const Rewriter& r, ValueId value, ValueId x) {
  if (!r.is_private(value)) return std::nullopt;
  if (const Node* sigmoid = r.maker(value, "Sigmoid")) {
    const ValueId inner = sigmoid->inputs[0];
    if (inner == x) return Gate{"Swish", {{"alpha", 1.0}}};
    const Factors factors = factors_of(r, inner);
    if (factors.others == std::vector{x} && r.is_private(inner))
      return Gate{"Swish", {{"alpha", factors.number}}};
  }
  if (const Node* tanh = r.maker(value, "Tanh")) {
    const Node* softplus = r.maker(tanh->inputs[0], "Softplus");
    if (softplus != nullptr && softplus->inputs[0] == x && r.is_private(tanh->inputs[0]))
      return Gate{"Mish", {}};
  }
  if (const Node* hard = r.maker(value, "HardSigmoid")) {
    if (hard->inputs[0] == x && nearly(hard->attributes.get_float("alpha", 0.2), 1.0 / 6) &&
        hard->attributes.get_float("beta", 0.5) == 0.5)
      return Gate{"HardSwish", {}};
  }
  // x clip(x + 3, 0, 6) / 6
  if (const Node* clip = r.maker(value, "Clip")) {
    const Attributes& a = clip->attributes;
    if (a.has("min") && a.has("max") && a.get_float("min") == 0 && a.get_float("max") == 6 &&
        added_to_number(r, clip->inputs[0], 3) == x)
      return Gate{"HardSwish", {}, 1.0 / 6};
  }
  return std::nullopt;
}

}  // namespace

bool fuse_gated_activation(Rewriter& r, NodeId id) {
  const Node root = r.node(id);
  if (root.op != "Mul" && root.op != "Div") return false;
  const Factors factors = factors_of(r, root.outputs[0]);
  if (factors.others.size() != 2) return false;
  for (const size_t i : {0, 1}) {
    const ValueId x = factors.others[i];
    const auto gate = gate_of(r, factors.others[1 - i], x);
    if (!gate || !nearly(factors.number, gate->share) || r.type(x) != r.type(root.outputs[0]))
      continue;
    Node fused = root;
    fused.op = gate->op;
    fused.inputs = {x};
    fused.attributes = gate->attributes;
    r.replace(id, std::move(fused));
    return true;
  }
  return false;
}

}  // namespace headrace
