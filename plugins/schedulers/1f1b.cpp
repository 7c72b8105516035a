// 1F1B (PipeDream-Flush, Narayanan et al., arXiv 2006.09503): a device runs one backward for every
// forward as soon as it can, so that stage s of p holds at most p - s micro-batches.

#include <algorithm>

#include "plugins/sdk.h"

static void one_forward_one_backward(const headrace::sdk::ScheduleRequest& r) {
  const int m = r.microbatches();
  for (int stage = 0; stage < r.stages(); ++stage) {
    const int ahead = std::min(r.stages() - stage, m);
    for (int mb = 0; mb < ahead; ++mb) r.forward(stage, mb);
    for (int mb = 0; mb < m; ++mb) {
      r.backward(stage, mb);
      if (mb + ahead < m) r.forward(stage, mb + ahead);
    }
  }
}

HEADRACE_DEFINE_SCHEDULER("1f1b", "A backward after every forward; least memory, no loops.",
                          one_forward_one_backward, headrace::sdk::one_stage_per_device)
