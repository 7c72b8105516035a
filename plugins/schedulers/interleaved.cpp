// Interleaved 1F1B (Narayanan et al., arXiv 2104.04473; free group size: Llama 3, arXiv
// 2407.21783): depth-first over looped stages. A device runs a group of micro-batches through each
// of its stages in turn, then the next group, and after a warm-up one backward for every forward.
// Larger groups give transfers longer to hide behind and hold more activations.

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "plugins/sdk.h"

using namespace headrace;

static constexpr headrace_option options[] = {
    sdk::int_option("group-size", "0", "0", nullptr,
                    "Micro-batches that pass a stage in a row, from the number of devices to all; "
                    "0: the fewest that fit."),
};

// As Megatron-LM has it: the first stage of a device takes a group's first micro-batch again when
// the whole group has passed, which is p turns later at the earliest.
static bool fits(int group, int devices, int microbatches) {
  const int rest = microbatches % group;
  return group >= std::min(devices, microbatches) && group <= microbatches &&
         (rest == 0 || rest >= devices);
}

static int fewest_that_fit(int devices, int microbatches) {
  int group = 1;
  while (!fits(group, devices, microbatches)) ++group;  // all micro-batches in one group do
  return group;
}

static int group_size(const sdk::ScheduleRequest& r) {
  const int p = r.devices(), m = r.microbatches(), fewest = fewest_that_fit(p, m);
  const int group = r.option<int>("group-size");
  if (group == 0) return fewest;
  if (!fits(group, p, m))
    throw std::invalid_argument(
        "group-size " + std::to_string(group) + " does not fit " + std::to_string(m) +
        " micro-batches on " + std::to_string(p) +
        " devices: every group needs as many micro-batches as there are devices, the last one too; "
        "group-size " +
        std::to_string(fewest) + " would fit, and so would " + std::to_string(m));
  return group;
}

// (loop, micro-batch) in the order in which every device goes forward. Backward goes the same, the
// loops from the last to the first.
static std::vector<std::pair<int, int>> turns(int loops, int microbatches, int group) {
  std::vector<std::pair<int, int>> result;
  for (int first = 0; first < microbatches; first += group)
    for (int loop = 0; loop < loops; ++loop)
      for (int mb = first; mb < std::min(first + group, microbatches); ++mb)
        result.emplace_back(loop, mb);
  return result;
}

static void interleaved(const sdk::ScheduleRequest& r) {
  const int p = r.devices(), v = r.stages() / p, group = group_size(r);
  const auto order = turns(v, r.microbatches(), group);
  const int total = static_cast<int>(order.size());
  for (int device = 0; device < p; ++device) {
    const auto forward = [&](int turn) {
      const auto [loop, mb] = order[static_cast<size_t>(turn)];
      r.forward(loop * p + device, mb);
    };
    const auto backward = [&](int turn) {
      const auto [loop, mb] = order[static_cast<size_t>(turn)];
      r.backward((v - 1 - loop) * p + device, mb);
    };
    const int warm_up = std::min(2 * (p - device - 1) + (v - 1) * group, total);
    for (int turn = 0; turn < warm_up; ++turn) forward(turn);
    for (int turn = warm_up; turn < total; ++turn) {
      forward(turn);
      backward(turn - warm_up);
    }
    for (int turn = total - warm_up; turn < total; ++turn) backward(turn);
  }
}

HEADRACE_DEFINE_SCHEDULER("interleaved", "1F1B over looped stages, depth-first in groups.",
                          interleaved, sdk::looped, options)
