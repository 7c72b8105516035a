#pragma once

#include <string>
#include <vector>

#include "cli/option.h"

namespace headrace {

// The keys of a RUN.toml: the options of `commands` (bits) by name, flags as true or false, lists
// as arrays, maps as tables ([scheduler-option]). Paths come back relative to where the program
// runs, not to the file's folder. Throws Error naming file and line.
std::vector<GivenOption> read_run_file(const std::string& path, unsigned commands);

// Writes the settings of the options of `commands` that are not at their defaults, and always those
// that make up a plan, so that reading the file gives them back. Whoever reads it sees the whole
// file or none. Throws RunError when it cannot be put there.
void write_run_file(const std::string& path, const Settings& settings, unsigned commands);

}  // namespace headrace
