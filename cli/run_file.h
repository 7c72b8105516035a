#pragma once

#include <string>
#include <vector>

#include "cli/option.h"

namespace headrace {

// The keys of a RUN.toml: the options of `commands` (bits) by name, flags as true or false, lists
// as arrays, maps as tables ([scheduler-option]). Paths come back relative to where the program
// runs, not to the file's folder. Throws Error naming file and line.
std::vector<GivenOption> read_run_file(const std::string& path, unsigned commands);

}  // namespace headrace
