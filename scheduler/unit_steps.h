#pragma once

#include <optional>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Per device the action of every step, nothing where it waits. Devices that are done have no more
// steps, so lengths differ.
using UnitSteps = std::vector<std::vector<std::optional<Action>>>;

// Plays a lowered schedule in steps of one action per device, every action alike, communication
// included, as torch.distributed.pipelining counts (`_simulate_comms_compute`): a compute action
// needs what was received or made on its device in an earlier step, a send what its device made, a
// receive its send, which may go in the same step. W waits for nothing, nor do UNSHARD, RESHARD and
// REDUCE_GRAD, which PyTorch's count does not know; an overlapped pair needs what both parts need.
// Throws Error on a deadlock, with what each device waits for.
UnitSteps unit_steps(const Schedule& lowered, const StagePlan& plan);

// The most steps of any device.
int count(const UnitSteps& steps);

}  // namespace headrace
