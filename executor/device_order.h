#pragma once

#include <cstdint>
#include <vector>

#include "executor/pass.h"
#include "executor/transfer_table.h"

namespace headrace {

inline constexpr int32_t kUnset = -1;

// One node of one micro-batch.
struct Turn {
  NodeId node{};
  int stage = 0, microbatch = 0;
};

// One compute action with what the schedule puts around it.
struct Step {
  Action action;
  double start_s = 0;            // simulated
  std::vector<size_t> posts;     // receives posted before it
  std::vector<size_t> sent;      // sends that must be over before it
  int64_t first = 0, last = -1;  // positions of its turns
};

// Everything that one device runs in a pass, in order. A position is an index into `turns`.
struct DeviceOrder {
  std::vector<Step> steps;
  std::vector<Turn> turns;
  // Per transfer: the step that waits until its send is over, the first that starts after that in
  // simulated time; kUnset when none does.
  std::vector<int32_t> guard;
};

DeviceOrder device_order(const PassSpec& spec, int device, const TransferTable& transfers);

// The stage of every node of the graph, kUnset where the plan has none.
std::vector<int> stage_of_nodes(const PassSpec& spec);

}  // namespace headrace
