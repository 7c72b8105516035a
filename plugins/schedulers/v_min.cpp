// V-Min (arXiv 2405.15362): a third of 1F1B's memory, (p+4)/3 micro-batches, and about two thirds
// of its bubble. Micro-batches go down the V, up, and back as fast as they can.

#include "plugins/schedulers/building_block.h"

using namespace headrace;

static void v_min(const sdk::ScheduleRequest& r) {
  const int p = r.devices();
  const int shift = p % 3 == 0 ? 2 : 0;  // keeps blocks apart
  std::vector<building_block::Block> blocks;
  for (int d = 0; d < p; ++d)
    blocks.push_back({d, 2 * p - 1 - d, 2 * p + shift + d, 4 * p - 1 + shift - d});
  building_block::Squeeze(r, blocks, (2 * p + 8) / 3).emit();
}

HEADRACE_DEFINE_SCHEDULER("v-min",
                          "A V with a third of 1F1B's memory and two thirds of its bubble.", v_min,
                          sdk::two_stages_in_a_v)
