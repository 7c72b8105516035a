#pragma once

#include <cstdint>

namespace headrace {

// Bytes that one constant may take which a file only describes (a ConstantOfShape, a folded
// Expand), and all of them together. A few bytes of a file can ask for any of it, so the limits are
// those of real models' weights; the fuzz target is built with a smaller one.
#ifdef HEADRACE_LARGEST_CONSTANT
inline constexpr int64_t kLargestConstant = HEADRACE_LARGEST_CONSTANT;
#else
inline constexpr int64_t kLargestConstant = int64_t{1} << 31;
#endif
inline constexpr int64_t kLargestConstants = 8 * kLargestConstant;

}  // namespace headrace
