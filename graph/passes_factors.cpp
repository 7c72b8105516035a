#include "graph/passes_factors.h"

#include <algorithm>
#include <cmath>

namespace headrace {
namespace {

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

}  // namespace

bool nearly(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

bool Factors::is(double wanted, std::initializer_list<ValueId> values) const {
  return nearly(number, wanted) &&
         std::equal(others.begin(), others.end(), values.begin(), values.end());
}

Factors factors_of(const Rewriter& r, ValueId value) {
  Factors factors;
  take_apart(r, value, true, factors);
  return factors;
}

ValueId added_to_number(const Rewriter& r, ValueId sum, double number) {
  const Node* add = r.maker(sum, "Add");
  if (add == nullptr) return kNoValue;
  for (const size_t i : {0, 1})
    if (r.number(add->inputs[i]) == number) return add->inputs[1 - i];
  return kNoValue;
}

}  // namespace headrace
