#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace {

// A size: a number of bytes or of kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024), as
// in 1.5GiB. Nothing for any other text.
std::optional<int64_t> parse_bytes(std::string_view text);

}  // namespace headrace
