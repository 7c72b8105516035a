#pragma once

#include <span>
#include <string>
#include <string_view>

namespace headrace {

// The known name that `word` was most likely meant to be: the least number of letters changed,
// left out, added or swapped with their neighbour, upper and lower case alike; the first of equals.
// Empty only when `known` is.
std::string nearest(std::string_view word, std::span<const std::string> known);

}  // namespace headrace
