#pragma once

// The two hand-made schedules of Zero Bubble (Qi et al., arXiv 2401.10241) for one stage per
// device. A backward is cut into I, which the stage before waits for, and W, which nobody does and
// which fills what would be idle.

#include <algorithm>
#include <vector>

#include "plugins/abi.h"

namespace headrace::zero_bubble {

// An action of a device's only stage. kind: HEADRACE_FORWARD, _BACKWARD_INPUT or _BACKWARD_WEIGHT.
struct Turn {
  int kind = HEADRACE_FORWARD;
  int microbatch = 0;
};

// depth 1 is ZB-H1, which holds as many activations as 1F1B's first device (p); depth 2 is ZB-H2,
// which holds 2p-1. Device `device` of `devices` begins with depth * (devices - device - 1)
// forwards, then takes F and I in turn, and W as soon as it owes more than depth * device of them;
// then I and W in turn, then what is left of W.
inline std::vector<Turn> handmade(int device, int devices, int microbatches, int depth) {
  std::vector<Turn> turns;
  int forwards = 0, inputs = 0, weights = 0;
  const auto forward = [&] { turns.push_back({HEADRACE_FORWARD, forwards++}); };
  const auto weight = [&] { turns.push_back({HEADRACE_BACKWARD_WEIGHT, weights++}); };
  const int warm_up = std::min(depth * (devices - device - 1), microbatches);
  while (forwards < warm_up) forward();
  while (inputs < microbatches) {
    const bool draining = forwards == microbatches;
    if (!draining) forward();
    turns.push_back({HEADRACE_BACKWARD_INPUT, inputs++});
    if (draining || inputs - weights > depth * device) weight();
  }
  while (weights < microbatches) weight();
  return turns;
}

// Emits the turns of a stage. Request: sdk::ScheduleRequest.
template <typename Request>
void emit(const Request& r, int stage, const std::vector<Turn>& turns) {
  for (const auto& [kind, microbatch] : turns) {
    if (kind == HEADRACE_FORWARD)
      r.forward(stage, microbatch);
    else if (kind == HEADRACE_BACKWARD_INPUT)
      r.backward_input(stage, microbatch);
    else
      r.backward_weight(stage, microbatch);
  }
}

}  // namespace headrace::zero_bubble
