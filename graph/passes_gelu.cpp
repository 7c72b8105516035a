#include <algorithm>
#include <cmath>
#include <numbers>

#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

// A product taken apart: its constant numbers multiplied, the other factors one by one. Products
// inside it count when nothing else reads them.
struct Factors {
  double number = 1;
  std::vector<ValueId> others;

  bool is(double wanted, std::initializer_list<ValueId> values) const {
    return near(number, wanted) &&
           std::equal(others.begin(), others.end(), values.begin(), values.end());
  }
};

void take_apart(const Rewriter& r, ValueId value, bool whole, Factors& factors) {
  if (const auto number = r.number(value)) {
    factors.number *= *number;
    return;
  }
  if (whole || r.is_private(value)) {
    if (const Node* product = r.maker(value, "Mul")) {
      for (const ValueId input : product->inputs) take_apart(r, input, false, factors);
      return;
    }
    const Node* quotient = r.maker(value, "Div");
    if (quotient != nullptr && r.number(quotient->inputs[1])) {
      factors.number /= *r.number(quotient->inputs[1]);
      take_apart(r, quotient->inputs[0], false, factors);
      return;
    }
  }
  factors.others.push_back(value);
}

Factors factors_of(const Rewriter& r, ValueId value) {
  Factors factors;
  take_apart(r, value, true, factors);
  return factors;
}

// The other operand of `1 + other` (or of `x + other`).
ValueId added_to(const Rewriter& r, ValueId sum, auto&& is_first) {
  const Node* add = r.maker(sum, "Add");
  if (add == nullptr) return kNoValue;
  if (is_first(add->inputs[0])) return add->inputs[1];
  if (is_first(add->inputs[1])) return add->inputs[0];
  return kNoValue;
}

ValueId added_to_one(const Rewriter& r, ValueId sum) {
  return added_to(r, sum, [&](ValueId v) { return r.number(v) == 1.0; });
}

bool is_cube(const Rewriter& r, ValueId value, ValueId x, double scale) {
  const Factors factors = factors_of(r, value);
  if (factors.is(scale, {x, x, x})) return true;
  if (!near(factors.number, scale) || factors.others.size() != 1) return false;
  const Node* power = r.maker(factors.others[0], "Pow");
  return power != nullptr && power->inputs[0] == x && r.number(power->inputs[1]) == 3.0;
}

// sqrt(2/pi) (x + 0.044715 x^3), also with x taken out of the sum.
bool is_tanh_argument(const Rewriter& r, ValueId value, ValueId x) {
  constexpr double kCubic = 0.044715;
  const Factors factors = factors_of(r, value);
  if (!near(factors.number, std::sqrt(2 * std::numbers::inv_pi))) return false;
  if (factors.others.size() == 1) {
    const ValueId cubic = added_to(r, factors.others[0], [&](ValueId v) { return v == x; });
    return cubic != kNoValue && is_cube(r, cubic, x, kCubic);
  }
  if (factors.others.size() != 2) return false;
  const ValueId sum = factors.others[factors.others[0] == x ? 1 : 0];
  const ValueId square = added_to_one(r, sum);
  return factors.others[factors.others[0] == x ? 0 : 1] == x && square != kNoValue &&
         factors_of(r, square).is(kCubic, {x, x});
}

// "none" or "tanh" when `sum` is 1 + erf(...) or 1 + tanh(...) of the right function of x.
const char* approximation(const Rewriter& r, ValueId sum, ValueId x) {
  const ValueId curve = added_to_one(r, sum);
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
  if (!near(factors.number, 0.5) || factors.others.size() != 2) return false;
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
