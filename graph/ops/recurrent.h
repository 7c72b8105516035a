#pragma once

#include <cstdint>
#include <vector>

#include "graph/attributes.h"

namespace headrace {

// The activations that ONNX lists for the cells of RNN, GRU and LSTM.
enum class CellActivation : uint8_t {
  affine,
  elu,
  hard_sigmoid,
  leaky_relu,
  relu,
  scaled_tanh,
  sigmoid,
  softplus,
  softsign,
  tanh,
  thresholded_relu,
  count
};

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
