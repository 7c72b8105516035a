#pragma once

#include <vector>

#include "loader/import/context.h"

namespace headrace {

// Larger kernels, strides, dilations and images are refused, so that products of two cannot
// overflow.
inline constexpr int64_t kLargestWindow = int64_t{1} << 30;

// How a kernel moves over the spatial dimensions of an image.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // pads: all begins, then all ends

  // Cells from the first to the last that the kernel covers in dimension d, gaps included.
  int64_t span(size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

// Attribute `name`: `count` numbers, each `fallback` where it is left out.
std::vector<int64_t> per_dimension(ImportContext& c, const char* name, size_t count,
                                   int64_t fallback);

// Kernel, strides and dilations, checked against input 0 [N, C, D...]; no pads yet.
Window unpadded_window(ImportContext& c, std::vector<int64_t> kernel);

// The same with pads by `pads` and `auto_pad` (Conv and pools): SAME_* pads to
// ceil(input / stride) outputs, the odd cell at the end (UPPER) or the beginning (LOWER).
Window window_of(ImportContext& c, std::vector<int64_t> kernel);

}  // namespace headrace
