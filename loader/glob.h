#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headrace {

// Shell patterns over whole names: * any run of characters, ? one, everything else itself.
bool matches_glob(std::string_view pattern, std::string_view name);
bool matches_any(const std::vector<std::string>& patterns, std::string_view name);

// "a*,b" -> {"a*", "b"}; blanks around the commas and empty items are dropped.
std::vector<std::string> split_globs(std::string_view list);

}  // namespace headrace
