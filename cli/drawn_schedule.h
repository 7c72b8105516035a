#pragma once

#include <string>
#include <vector>

#include "cli/cluster.h"
#include "cli/settings.h"
#include "scheduler/simulate.h"

namespace headrace {

// Rows of text, one per device; an idle step is an empty cell.
using ActionRows = std::vector<std::vector<std::string>>;

// What is told of a schedule, in seconds, or in steps with --unit-steps. The update of
// --optimizer-time counts as busy.
struct ScheduleFigures {
  double makespan = 0, span = 0;
  std::vector<double> busy;

  double bubble(double time) const;
};

// One schedule of `headrace schedule`, made or read, validated, lowered and simulated.
struct DrawnSchedule {
  std::string name = {};     // as it was asked for, or the file
  std::string refused = {};  // why it is not there, one line; the rest is empty then
  StagePlan plan = {};       // stages and costs, no model
  Cluster cluster = {};
  Schedule schedule = {};  // as it was made or read
  Schedule lowered = {};
  Simulation simulation = {};
  ScheduleFigures figures = {};
  ActionRows rows = {};  // of `schedule`, or of what --lower or --unit-steps shows
};

// All that the settings ask for. One schedule alone, and the first to be refused when none is left,
// throws its Error; among several a refused one says why.
std::vector<DrawnSchedule> draw_schedules(const Settings& settings);

}  // namespace headrace
