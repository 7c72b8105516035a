#pragma once

#include <cstddef>
#include <limits>
#include <string>

namespace headrace {

inline constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

// Columns of the terminal that stdout goes to; kUnlimited where it is a file or a pipe.
size_t output_columns();

// Whether stdout is a terminal that colours are wanted on (no-color.org: NO_COLOR is unset or
// empty).
bool output_in_colour();

// Every line cut to `columns`, with "..." where something was cut.
std::string clip_lines(const std::string& text, size_t columns);

}  // namespace headrace
