#pragma once

#include <nlohmann/json_fwd.hpp>

namespace headrace {

// One object (or array) on stdout. Names that are not UTF-8 have their bad bytes replaced.
void print_json(const nlohmann::ordered_json& json);

}  // namespace headrace
