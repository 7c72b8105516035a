#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace {

// Reads --memory: one size (parse_bytes.h) for all devices or one for each, separated by commas; 0,
// or an empty text, is no limit. Throws Error.
std::vector<int64_t> memory_limits(const std::string& text, int devices);

}  // namespace headrace
