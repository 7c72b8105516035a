#pragma once

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Throws Error, with the grid and the place marked, when the schedule is not a whole training step
// of the plan: an action missing, twice, on the wrong device or out of range; W before I, I before
// F; a send without its receive; a deadlock, with what each device waits for. Works on compute
// schedules and on lowered ones. `source` names the plugin or file in the message.
void validate(const Schedule& schedule, const StagePlan& plan, const std::string& source);

}  // namespace headrace
