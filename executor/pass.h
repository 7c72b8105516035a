#pragma once

#include <set>
#include <vector>

#include "graph/autodiff.h"
#include "partitioner/stage_plan.h"
#include "scheduler/simulate.h"

namespace headrace {

// A pass over all micro-batches, to be compiled: a whole training step, or forward alone.
struct PassSpec {
  const Graph* graph = nullptr;
  std::vector<ParameterGradient> gradients;  // accumulated over the micro-batches
  std::vector<StateUpdate> state_updates;
  std::vector<ValueId> results;            // kept per micro-batch, in the slots of their device
  const StagePlan* plan = nullptr;         // a live_plan
  const Schedule* schedule = nullptr;      // lowered
  const Simulation* simulation = nullptr;  // of that schedule
  // Of one replica among several (reduction.h): what its own numbers begin with among all.
  int first_microbatch = 0;
  size_t first_transfer = 0;
};

// The part of a stage plan that a pass runs: nodes that something wanted depends on, and channels
// that one of them reads. A message that nobody waits for would arrive in memory that is others' by
// then.
StagePlan live_plan(const PassSpec& spec, StagePlan plan);

// Per device the weights, states and constants that it reads or replaces in the pass.
std::vector<std::set<ValueId>> weights_of_devices(const PassSpec& spec, const StagePlan& plan,
                                                  int devices);

}  // namespace headrace
