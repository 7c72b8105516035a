// GPipe (Huang et al., arXiv 1811.06965): the whole mini-batch forward, then the whole mini-batch
// backward. Over several stages per device a device finishes one stage before the next.

#include "plugins/sdk.h"

static void gpipe(const headrace::sdk::ScheduleRequest& r) {
  for (int stage = 0; stage < r.stages(); ++stage)
    for (int mb = 0; mb < r.microbatches(); ++mb) r.forward(stage, mb);
  for (int stage = r.stages() - 1; stage >= 0; --stage)
    for (int mb = 0; mb < r.microbatches(); ++mb) r.backward(stage, mb);
}

HEADRACE_DEFINE_SCHEDULER("gpipe", "All forwards, then all backwards.", gpipe)
