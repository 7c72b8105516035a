#pragma once

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Adds SEND_F/RECV_F/SEND_B/RECV_B for every pair of stages on different devices that `plan`'s
// channels join: one transfer action per (from, to, direction, micro-batch), however many values it
// carries. The rule is that of torch.distributed.pipelining, kept for any two stages: the devices
// take turns in ascending order; one whose next compute action has its inputs appends it, right
// behind it the sends of what it made (nearest reader first), and at that moment the matching
// receives stand in the readers' lists (posted early: the consumer waits, not the queue). So all
// lists agree with one order of the transfers: even queues that go strictly in list order, for
// sends and for receives, cannot deadlock.
//
// `compute` fits the plan (see validate.h); a schedule that is lowered already comes back as it is.
// Throws Error on a schedule that cannot run.
Schedule lower(const Schedule& compute, const StagePlan& plan);

}  // namespace headrace
