#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace {

// Reads --memory: one size for all devices or one for each, separated by commas. A size is a number
// of bytes or of kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024); 0, or an empty
// text, is no limit. Throws Error.
std::vector<int64_t> memory_limits(const std::string& text, int devices);

}  // namespace headrace
