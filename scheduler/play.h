#pragma once

#include <string>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"
#include "scheduler/simulate.h"

namespace headrace {

// When a receive is there for its sender: early enough, or only once its device has run all compute
// actions that stand before it in the list.
enum class Posting { early, in_place };

// Why a device cannot go on.
struct Wait {
  int device = 0;
  int position = 0;  // in its list
  std::string text;  // "2F0 waits for 1F0 of device 1"
};

struct Playback {
  std::vector<std::vector<ActionTime>> timeline;  // as Simulation's; complete if waits is empty
  std::vector<Idle> idle;                         // per device, without the drain
  std::vector<Wait> waits;                        // empty: the schedule ran to its end
};

// The machine behind simulate and validate, as simulate.h describes it. A schedule without
// transfers plays too: what a stage makes is then with its readers at once. Needs check_fits. n
// actions on p devices take time of order n log p.
Playback play(const Schedule& schedule, const StagePlan& plan, const Links& links, Posting posting,
              const Machine& machine = {});

// That every number of the schedule is one of the plan's, and its channels' for transfers; what
// callers have let validate check before, so that a failure is a bug of ours.
void check_fits(const Schedule& schedule, const StagePlan& plan);

// Throws the Error of a schedule that stopped: what each device waits for, above the marked grid.
[[noreturn]] void throw_deadlock(const Schedule& schedule, const std::string& source,
                                 const std::vector<Wait>& waits);

}  // namespace headrace
