#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "plugins/host/registry.h"

namespace headrace {

// A scheduler that is compared with others.
struct Candidate {
  std::string name = {};
  std::unique_ptr<Scheduler> scheduler = {};  // null: refused
  int stages_per_device = 1;
  std::string refused = {};  // why it cannot take part; one line
};

// The schedulers that --schedulers names, separated by commas, or else every one that is found.
// Each with as many stages per device as asked for, and where it serves another number only, that:
// one or two. --scheduler-option belongs to the one that --scheduler names. Throws Error for a name
// that is given and cannot be loaded.
std::vector<Candidate> candidates(const Settings& settings, const PluginRegistry& registry);

}  // namespace headrace
