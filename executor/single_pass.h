#pragma once

#include "partitioner/stage_plan.h"
#include "scheduler/simulate.h"

namespace headrace {

// All nodes of a graph on device 0, as one stage, for one micro-batch, forward: a pass that needs
// no partition and no scheduler.
struct SinglePass {
  StagePlan plan;
  Schedule schedule;
  Simulation simulation;
};

SinglePass single_pass(const Graph& graph);

}  // namespace headrace
