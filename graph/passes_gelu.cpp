#include <cmath>
#include <numbers>

#include "graph/passes_factors.h"
#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

bool is_cube(const Rewriter& r, ValueId value, ValueId x, double scale) {
  const Factors factors = factors_of(r, value);
  if (factors.is(scale, {x, x, x})) return true;
  if (!nearly(factors.number, scale) || factors.others.size() != 1) return false;
  const Node* power = r.maker(factors.others[0], "Pow");
  return power != nullptr && power->inputs[0] == x && r.number(power->inputs[1]) == 3.0;
}

// sqrt(2/pi) (x + 0.044715 x^3), also with x taken out of the sum.
bool is_tanh_argument(const Rewriter& r, ValueId value, ValueId x) {
  constexpr double kCubic = 0.044715;
  const Factors factors = factors_of(r, value);
  if (!nearly(factors.number, std::sqrt(2 * std::numbers::inv_pi))) return false;
  if (factors.others.size() == 1) {
    const Node* sum = r.maker(factors.others[0], "Add");
    if (sum == nullptr) return false;
    for (const size_t i : {0, 1})
      if (sum->inputs[i] == x && is_cube(r, sum->inputs[1 - i], x, kCubic)) return true;
    return false;
  }
  if (factors.others.size() != 2) return false;
  const ValueId sum = factors.others[factors.others[0] == x ? 1 : 0];
  const ValueId square = added_to_number(r, sum, 1);
  return factors.others[factors.others[0] == x ? 0 : 1] == x && square != kNoValue &&
         factors_of(r, square).is(kCubic, {x, x});
}

// "none" or "tanh" when `sum` is 1 + erf(...) or 1 + tanh(...) of the right function of x.
const char* approximation(const Rewriter& r, ValueId sum, ValueId x) {
  const ValueId curve = added_to_number(r, sum, 1);
  if (const Node* erf = r.maker(curve, "Erf"))
    return factors_of(r, erf->inputs[0]).is(1 / std::numbers::sqrt2, {x}) ? "none" : nullptr;
  if (const Node* tanh = r.maker(curve, "Tanh"))
    return is_tanh_argument(r, tanh->inputs[0], x) ? "tanh" : nullptr;
  return nullptr;
}

}  // namespace

bool fuse_gelu(Rewriter& r, NodeId id) {
  const Node root = r.node(id);
  if (root.op != "Mul" && root.op != "Div") return false;
  const Factors factors = factors_of(r, root.outputs[0]);
  if (!nearly(factors.number, 0.5) || factors.others.size() != 2) return false;
  for (const size_t i : {0, 1}) {
    const ValueId x = factors.others[i];
    const char* approximate = approximation(r, factors.others[1 - i], x);
    if (approximate == nullptr || r.type(x) != r.type(root.outputs[0])) continue;
    Node gelu = root;
    gelu.op = "Gelu";
    gelu.inputs = {x};
    gelu.attributes = {{"approximate", std::string(approximate)}};
    r.replace(id, std::move(gelu));
    return true;
  }
  return false;
}

}  // namespace headrace
