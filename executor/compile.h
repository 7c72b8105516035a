#pragma once

#include <vector>

#include "executor/device_memory.h"
#include "executor/program.h"
#include "executor/transfer_table.h"
#include "graph/autodiff.h"
#include "partitioner/stage_plan.h"
#include "scheduler/simulate.h"

namespace headrace {

// A pass over all micro-batches, to be compiled: a whole training step, or forward alone.
struct PassSpec {
  const Graph* graph = nullptr;
  std::vector<ParameterGradient> gradients;  // accumulated over the micro-batches
  std::vector<StateUpdate> state_updates;
  std::vector<ValueId> results;  // kept per micro-batch, in the slots of their device
  const StagePlan* plan = nullptr;
  const Schedule* schedule = nullptr;      // lowered
  const Simulation* simulation = nullptr;  // of that schedule
};

// The program of one device: kernels prepared, memory planned over the schedule, transfers placed.
//
// A value lives from the node that makes it to the last that reads it, per micro-batch. Memory that
// a send reads is reused only after the simulated end of that send, memory that a receive fills is
// taken when the receive is posted; the program waits at those points. All waits point forward in
// simulated time, so they cannot form a cycle, whatever the real speeds are.
DeviceProgram compile_pass(const PassSpec& spec, int device, DeviceMemory& memory,
                           TransferTable& transfers);

}  // namespace headrace
