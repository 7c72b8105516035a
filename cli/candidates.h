#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "executor/session.h"
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

// A partitioner that is compared with others.
struct CandidatePartitioner {
  std::string name = {};
  std::unique_ptr<PartitionStrategy> strategy = {};
};

// The partitioners that --partitioners names; without it `fallback`: the one that --partitioner
// names, or every one that is found, which are then many to be asked often: each has a second at a
// time if it knows a time-limit. --partitioner-option belongs to the one that --partitioner names.
enum class Without { chosen, all };
std::vector<CandidatePartitioner> candidate_partitioners(const Settings& settings,
                                                         const PluginRegistry& registry,
                                                         Without fallback);

// The whole numbers of a list option, ascending, each once: --try-stages 1,2. Throws Error for what
// is no number from 1 to 2^20.
std::vector<int> numbers_of(const std::vector<std::string>& lists, const std::string& option);

// The numbers of micro-batches that --try-microbatches names, or else the one of --microbatches.
// Steps of several can only be compared when --batch says how many samples one has: Error without.
std::vector<int> compared_microbatches(const Settings& settings);

// A plan, or why there is none; one line.
struct Attempt {
  std::optional<PreparedPlan> plan = {};
  std::string refused = {};
};
Attempt attempt_plan(const PreparedModel& model, const RunConfig& run, const Scheduler& scheduler,
                     const PartitionStrategy& strategy, const PlanCosts& costs);

// The text of an error up to its first line break: what follows is a drawing.
std::string first_line(const std::exception& error);

}  // namespace headrace
