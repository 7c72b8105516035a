#pragma once

#include <cstdint>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// How transfers between devices behave. Sends and receives have queues of their own and never hold
// up compute; a receive is posted early and its consumer waits for it.
struct Links {
  double latency_s = 0;
  double bytes_per_s = 0;  // 0: only the latency counts
  // A gradient leaves as soon as I has made it, before the W of the same B runs (what our executor
  // does); false: when the whole B is over (what the published closed forms assume).
  bool send_when_ready = false;
};

// When one action of a schedule runs. A send's start is when its bytes begin to leave and its end
// when its buffer is free again; a receive has the same start and ends when all has arrived.
struct ActionTime {
  Action action;
  double start_s = 0, end_s = 0;
};

struct Simulation {
  std::vector<std::vector<ActionTime>> timeline;  // per device, in the order of the schedule
  double makespan_s = 0;       // first start to last end over all devices, compute only
  double span_s = 0;           // largest over devices of (its last end - its first start)
  std::vector<double> busy_s;  // per device, compute only

  // The share of the time that the busiest device idles: (x - its busy time) / x with x the
  // makespan or the span. For equal stages this is (cost - m*T) / cost, the bubble rate of Zero
  // Bubble (arXiv 2401.10241), whose cost is the span.
  double bubble_makespan = 0, bubble_span = 0;

  // Largest numbers at any time, per device: (stage, micro-batch) pairs that live from F's start to
  // the end of I or B, and those that live from I's end to W's end.
  std::vector<int> peak_activations;
  std::vector<int> peak_weight_stash;
  std::vector<int64_t> peak_activation_bytes;  // of both together, by the plan's stage costs
};

// Plays a lowered schedule. A device computes in the order of its list. What it sends goes in list
// order too, in a queue of its own; what it receives passes a third queue, first come, first
// served. A transfer starts when its values are made and both queues are free, holds them for bytes
// / bytes_per_s and arrives latency_s later, without holding anything for that. Compute waits for
// what it reads to arrive. Receives are taken as posted early enough. An overlapped pair takes the
// time of F and B. n actions on p devices take time of order n log p. Throws Error when the
// schedule cannot run to its end.
Simulation simulate(const Schedule& schedule, const StagePlan& plan, const Links& links);

}  // namespace headrace
