#pragma once

#include "cli/settings.h"
#include "scheduler/links.h"
#include "scheduler/schedule.h"
#include "scheduler/simulate.h"

namespace headrace {

// The machine that a schedule is simulated on.
struct Cluster {
  Links links = {};
  Machine machine = {};
};

// As the settings describe it, for so many devices of each replica; what they say nothing of is as
// in `otherwise`. Throws Error for numbers that do not fit together or do not fit so many devices.
Cluster cluster_of(const Settings& settings, int devices, const Links& otherwise = {});

// The schedule with all that runs between its actions: the collectives of the cluster's data
// parallelism, which a schedule that has some of its own keeps as they are, and transfers. Throws
// Error for replicas of a schedule that has transfers alone.
Schedule lower_for(const Cluster& cluster, const Schedule& schedule, const StagePlan& plan,
                   const std::string& source);

}  // namespace headrace
