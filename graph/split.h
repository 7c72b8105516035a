#pragma once

#include <string_view>
#include <vector>

namespace headrace {

// The parts of `text` between separators, in order, empty ones too; they look into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace headrace
