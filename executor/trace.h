#pragma once

#include <string>
#include <vector>

#include "executor/program.h"

namespace headrace {

// Writes a Chrome/Perfetto trace (JSON array form): a row per device, a slice per action, named as
// in schedules ("2F0"). Written under a temporary name and renamed.
void write_trace(const std::string& path, const std::vector<std::vector<ActionRecord>>& devices);

}  // namespace headrace
