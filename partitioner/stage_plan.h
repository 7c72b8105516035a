#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// One micro-batch of one stage; seconds on the stage's device, bytes of its memory.
struct StageCost {
  double forward_s = 0;
  double backward_input_s = 0;
  double backward_weight_s = 0;
  double update_s = 0;  // once per step
  int64_t parameter_bytes = 0;
  int64_t gradient_bytes = 0;
  int64_t optimizer_bytes = 0;
  int64_t activation_bytes = 0;    // of F, lives until I
  int64_t weight_stash_bytes = 0;  // of F and I, lives on from I to W
  // Of F, made once more (graph/recompute.h): while I runs, while W runs, or both while B does.
  int64_t recomputed_bytes = 0;
  int64_t recomputed_weight_bytes = 0;

  bool recomputes() const { return recomputed_bytes > 0 || recomputed_weight_bytes > 0; }
};

// A value that one stage makes and another reads. Any two stages may be joined: skip connections
// are ordinary. Forward channels carry activations, backward_input channels their gradients.
struct Channel {
  ValueId value = kNoValue;
  int from = 0, to = 0;  // stages
  int64_t bytes = 0;
  Phase phase = Phase::forward;
};

// Which nodes run where. Stage s holds nodes[s] (graph order, every phase), on device[s].
struct StagePlan {
  std::vector<std::vector<NodeId>> nodes;
  std::vector<int> device;
  std::vector<StageCost> cost;
  std::vector<Channel> channels;

  int stages() const { return static_cast<int>(device.size()); }
  int devices() const;  // one more than the largest device
};

}  // namespace headrace
