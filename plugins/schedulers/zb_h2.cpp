// ZB-H2 (Zero Bubble, arXiv 2401.10241): twice 1F1B's memory, no bubble inside a device's span when
// F = I = W.

#include "plugins/schedulers/zero_bubble.h"
#include "plugins/sdk.h"

static void zb_h2(const headrace::sdk::ScheduleRequest& r) {
  using namespace headrace::zero_bubble;
  for (int stage = 0; stage < r.stages(); ++stage)
    emit(r, stage, handmade(stage, r.stages(), r.microbatches(), 2));
}

HEADRACE_DEFINE_SCHEDULER("zb-h2", "1F1B without a bubble, for twice its memory.", zb_h2,
                          headrace::sdk::one_stage_per_device)
