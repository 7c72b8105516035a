#pragma once

#include <initializer_list>
#include <vector>

#include "graph/passes_rewriter.h"

namespace headrace {

// Equal but for the rounding of what exporters write.
bool nearly(double a, double b);

// A product taken apart: its constant numbers multiplied, the other factors one by one. Products
// inside it count when nothing else reads them.
struct Factors {
  double number = 1;
  std::vector<ValueId> others;

  bool is(double wanted, std::initializer_list<ValueId> values) const;
};
Factors factors_of(const Rewriter& r, ValueId value);

// The other operand where `sum` adds a number, which is this one, to it; else kNoValue.
ValueId added_to_number(const Rewriter& r, ValueId sum, double number);

}  // namespace headrace
