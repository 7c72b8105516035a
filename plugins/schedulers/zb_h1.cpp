// ZB-H1 (Zero Bubble, arXiv 2401.10241): 1F1B's memory, a third of its bubble when F = I = W.

#include "plugins/schedulers/zero_bubble.h"
#include "plugins/sdk.h"

static void zb_h1(const headrace::sdk::ScheduleRequest& r) {
  using namespace headrace::zero_bubble;
  for (int stage = 0; stage < r.stages(); ++stage)
    emit(r, stage, handmade(stage, r.stages(), r.microbatches(), 1));
}

HEADRACE_DEFINE_SCHEDULER("zb-h1", "1F1B with W moved into the bubble; memory as 1F1B.", zb_h1,
                          headrace::sdk::one_stage_per_device)
