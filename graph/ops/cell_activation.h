#pragma once

#include <cstdint>

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

}  // namespace headrace
