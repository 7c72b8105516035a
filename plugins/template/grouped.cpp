// Gradient accumulation over breadth-first groups: `group` micro-batches go forward through all
// stages and back before the next group begins, so that a device holds no more than a group.

#include <algorithm>

#include "plugins/sdk.h"

using namespace headrace;

static constexpr headrace_option options[] = {
    sdk::int_option("group", "4", "1", nullptr, "Micro-batches that are in flight together."),
};

static void grouped(const sdk::ScheduleRequest& r) {
  const int group = std::min(r.option<int>("group"), r.microbatches());
  for (int first = 0; first < r.microbatches(); first += group) {
    const int end = std::min(first + group, r.microbatches());
    for (int stage = 0; stage < r.stages(); ++stage)
      for (int mb = first; mb < end; ++mb) r.forward(stage, mb);
    for (int stage = r.stages() - 1; stage >= 0; --stage)
      for (int mb = first; mb < end; ++mb) r.backward(stage, mb);
  }
}

HEADRACE_DEFINE_SCHEDULER("grouped", "Breadth-first over groups of micro-batches.", grouped,
                          sdk::looped, options)
