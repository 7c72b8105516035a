// V-Half (arXiv 2405.15362): half of 1F1B's memory, (p+2)/2 micro-batches, and about half of its
// bubble. Micro-batches go down the V at half speed and up at full speed.

#include "plugins/schedulers/building_block.h"

using namespace headrace;

static void v_half(const sdk::ScheduleRequest& r) {
  const int p = r.devices();
  const int shift = p % 2 == 0 ? 3 : 0;  // keeps blocks apart
  std::vector<building_block::Block> blocks;
  for (int d = 0; d < p; ++d)
    blocks.push_back({2 * d, 3 * p - 2 - d, 3 * p - 1 + shift + 2 * d, 6 * p - 2 + shift - d});
  building_block::Squeeze(r, blocks, p + 2).emit();
}

HEADRACE_DEFINE_SCHEDULER("v-half", "A V with half of 1F1B's memory and half of its bubble.",
                          v_half, sdk::two_stages_in_a_v)
