#pragma once

#include <cstddef>

#include "graph/dtype.h"

namespace headrace {

// Converts `count` elements, which may lie unaligned. Throws Error naming a value that the
// destination's integer type cannot hold.
using Conversion = void (*)(const std::byte* from, std::byte* to, size_t count);

// The conversion between two dtypes; null where a value would silently lose its meaning (a float to
// an integer or bool). `unit_range`: uint8 to a float divides by 255.
Conversion conversion(DType from, DType to, bool unit_range);

}  // namespace headrace
