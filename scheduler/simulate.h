#pragma once

#include <cstdint>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/data_parallel.h"
#include "scheduler/links.h"
#include "scheduler/schedule.h"

namespace headrace {

// The devices beside the links between them.
struct Machine {
  std::vector<double> speed = {};  // per device, empty: 1; a stage's seconds count divided by it
  DataParallel data_parallel = {};
};

// When one action of a schedule runs. A send's start is when its bytes begin to leave and its end
// when its buffer is free again; a receive has the same start and ends when all has arrived.
struct ActionTime {
  Action action;
  double start_s = 0, end_s = 0;
};

// What a device that could compute waits for, from time 0 to the end of the last compute action of
// all devices. With its busy time these add up to that end. A wait for an input that another device
// has yet to make is `data_s`, from then on until it is here `link_s`.
struct Idle {
  double warm_up_s = 0;  // before its first action
  double data_s = 0;
  double link_s = 0;    // queues, bandwidth and latency
  double gather_s = 0;  // parameters that UNSHARD brings
  double drain_s = 0;   // behind its last action
};

// The most bytes that a device holds, and when it first holds them.
struct MemoryPeak {
  int64_t bytes = 0;
  double time_s = 0;
};

struct Simulation {
  std::vector<std::vector<ActionTime>> timeline;  // per device, in the order of the schedule
  std::vector<ActionTime> update;  // per device, the optimizer's; its action says nothing
  double makespan_s = 0;           // first start to last end over all devices, compute only
  double span_s = 0;               // largest over devices of (its last end - its first start)
  double step_s = 0;               // from 0 until everything is over, reductions and updates too
  std::vector<double> busy_s;      // per device, compute only
  std::vector<Idle> idle;          // per device

  // The share of the time that the busiest device idles: (x - its busy time) / x with x the
  // makespan or the span. For equal stages this is (cost - m*T) / cost, the bubble rate of Zero
  // Bubble (arXiv 2401.10241), whose cost is the span.
  double bubble_makespan = 0, bubble_span = 0;

  // Largest numbers at any time, per device: (stage, micro-batch) pairs that live from F's start to
  // the end of I or B, and those that live from I's end to W's end.
  std::vector<int> peak_activations;
  std::vector<int> peak_weight_stash;
  std::vector<int64_t> peak_activation_bytes;  // of both together, by the plan's stage costs
  std::vector<MemoryPeak> peak_memory;         // of everything that memory.h counts
};

// When everything of a step ran, simulated or measured.
struct Played {
  std::vector<std::vector<ActionTime>> timeline = {};  // per device
  std::vector<ActionTime> update = {};                 // per device
  std::vector<Idle> idle = {};                         // per device, without the drain
};

// All that a Simulation tells, from the times alone; memory by the plan's bytes.
Simulation summarize(Played played, const StagePlan& plan, const Machine& machine = {});

// Plays a lowered schedule. All devices stand ready at time 0. Each has
//
// - a compute queue: F, B, I, W and overlapped pairs, one after the other in the order of its list.
//   An action starts when the one before it is over and all that it reads has arrived. It takes its
//   stage's seconds divided by the device's speed, an overlapped pair those of F and B together.
// - a send queue: transfers in list order, each when its values are made.
// - a receive queue: first come, first served. Receives are taken as posted early enough.
// - a data-parallel queue: UNSHARD and REDUCE_GRAD in list order, each once the compute actions
//   that stand before it in the list are over. They overlap with compute and with transfers and
//   hold up nothing but this queue and who reads: what computes a stage waits for the oldest
//   UNSHARD of the stage before it in the list that no RESHARD before it has freed. Their seconds
//   are data_parallel's. RESHARD takes no time; it happens in the order of the compute queue.
//
// A transfer starts when its send queue has come to it, its values are made and all that it needs
// is free: the reader's receive queue and the network cards that it passes (links.h). It holds them
// and its send queue for bytes / bytes_per_s and arrives latency_s later, without holding anything
// for that. Among the transfers that wait and could go, the one that asked first goes first; of
// those that asked at the same time, the one of the lower device.
//
// When a device has computed and reduced everything, its optimizer takes the update_s of its
// stages.
//
// Left out: kernels do not slow down beside transfers, collectives do not share links with
// transfers or with those of other devices, nothing varies. n actions on p devices take time of
// order n log p. Throws Error when the schedule cannot run to its end.
Simulation simulate(const Schedule& schedule, const StagePlan& plan, const Links& links,
                    const Machine& machine = {});

}  // namespace headrace
