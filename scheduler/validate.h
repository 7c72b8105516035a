#pragma once

#include <string>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Throws Error when the schedule is not a whole training step of the plan:
// - numbers of stages, micro-batches or devices out of range, an action on the wrong device;
// - for a stage and micro-batch, F missing, no backward (B, or I and W), anything twice, a backward
//   before F, W before I;
// - a transfer between stages that no channel joins, a send without its receive or the other way
//   round, a send before its values are made, a receive behind the action that reads it;
// - an action that reads a stage's parameters where they are not gathered, gathers that nothing
//   reads, gradients that are not reduced, or reduced twice (check_collectives.h);
// - a deadlock, with what each device waits for. Lowered schedules are played with receives that
//   are posted at their place in the list without blocking, and sends and receives that go in list
//   order in queues of their own; compute waits for what it reads.
//
// The text is a line with `source` (the plugin or file), stage and micro-batch, then the grid with
// the place between brackets. Works on compute schedules and on lowered ones.
void validate(const Schedule& schedule, const StagePlan& plan, const std::string& source);

// Throws Error when more (stage, micro-batch) pairs than `most_activations` of a device (one number
// per device) live there at once, from F to the end of B or I: the text names the F that is too
// much, and the grid marks it. Needs a schedule that `validate` has found right.
void validate_activations(const Schedule& schedule, const std::vector<int>& most_activations,
                          const std::string& source);

}  // namespace headrace
