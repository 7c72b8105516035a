// Any schedule from a file: a row per device, a cell per turn, as PyTorch's pipelining writes and
// reads it (scheduler/text.h). Transfers and other additions of a lowered file are left out: they
// are added again.

#include <string>

#include "graph/error.h"
#include "plugins/sdk.h"
#include "scheduler/text.h"

using namespace headrace;

static constexpr headrace_option options[] = {
    sdk::string_option("file", "", "The schedule as CSV: a row per device, a cell per turn."),
};

static Schedule read_file(const sdk::Options& given) {
  const auto path = given.option<std::string>("file");
  if (path.empty()) throw Error("needs the option file: --scheduler-option file=SCHEDULE.csv");
  return read_csv(path);
}

static std::vector<int> place(const sdk::PlacementRequest& r) {
  const Schedule schedule = read_file(r);
  const auto devices = static_cast<int>(schedule.devices.size());
  if (devices != r.devices() || schedule.stages != r.stages() ||
      schedule.microbatches != r.microbatches())
    throw Error(
        "{} has {} devices, {} stages and {} micro-batches; asked for were {} devices, {} stages "
        "and {} micro-batches",
        r.option<std::string>("file"), devices, schedule.stages, schedule.microbatches, r.devices(),
        r.stages(), r.microbatches());
  return schedule.device_of_stage;
}

static void from_csv(const sdk::ScheduleRequest& r) {
  const Schedule schedule = read_file(r);
  for (const auto& actions : schedule.devices)
    for (const Action& action : actions) {
      switch (action.kind) {
        case ActionKind::forward:
          r.forward(action.stage, action.microbatch);
          break;
        case ActionKind::backward:
          r.backward(action.stage, action.microbatch);
          break;
        case ActionKind::backward_input:
          r.backward_input(action.stage, action.microbatch);
          break;
        case ActionKind::backward_weight:
          r.backward_weight(action.stage, action.microbatch);
          break;
        case ActionKind::overlap:
          r.overlap(action.stage, action.microbatch, action.other_stage, action.other_microbatch);
          break;
        default:
          break;
      }
    }
}

HEADRACE_DEFINE_SCHEDULER("csv", "The schedule of a CSV file.", from_csv, place, options)
