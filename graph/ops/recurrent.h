#pragma once

#include <vector>

#include "graph/attributes.h"
#include "graph/ops/cell_activation.h"

namespace headrace {

// One activation with its constants. Its slope is a function of its value, which is what a sequence
// operator keeps.
struct CellFunction {
  CellActivation kind = CellActivation::tanh;
  double alpha = 0, beta = 0;
};

// The attributes `activations` (names apart by spaces), `alphas` and `betas`. Throws Error for a
// name or constants that are none.
std::vector<CellFunction> cell_functions(const Attributes& attributes);

}  // namespace headrace
