// Breadth-first (Lamy-Poirier, arXiv 2211.05953): a device runs every micro-batch of one of its
// stages before the next stage, forward, then the same backward from the last stage. A transfer has
// a whole sweep of micro-batches to hide behind; every micro-batch's activations are held at once.

#include "plugins/sdk.h"

static void breadth_first(const headrace::sdk::ScheduleRequest& r) {
  for (int stage = 0; stage < r.stages(); ++stage)
    for (int mb = 0; mb < r.microbatches(); ++mb) r.forward(stage, mb);
  for (int stage = r.stages() - 1; stage >= 0; --stage)
    for (int mb = 0; mb < r.microbatches(); ++mb) r.backward(stage, mb);
}

HEADRACE_DEFINE_SCHEDULER("breadth-first", "Every micro-batch of a stage before the next stage.",
                          breadth_first)
