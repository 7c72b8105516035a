#pragma once

#include "graph/ops/rules.h"

namespace headrace {

// A window that slides over the spatial dimensions of x [N, C, D...]: strides, pads and dilations
// (absent: 1) as attributes. Throws Error when a list does not fit or no window has room.
// Output size of a dimension (ONNX, Conv and MaxPool): floor or ceil of
// (size + pads - dilation (kernel - 1) - 1) / stride, plus 1; under `ceil` a window that would
// start in the end padding is left out.
Shape window_positions(const Node& node, const TensorType& x, std::span<const int64_t> kernel,
                       bool ceil = false);

}  // namespace headrace
