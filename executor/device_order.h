#pragma once

#include <cstdint>
#include <vector>

#include "executor/pass.h"
#include "executor/transfer_table.h"

namespace headrace {

inline constexpr int32_t kUnset = -1;

// One node of one micro-batch. Positions number all that a device does in a pass, in order: each
// step's opening, then its turns.
struct Turn {
  NodeId node{};
  int stage = 0, microbatch = 0;
  int64_t position = 0;
};

// One compute action with what the schedule puts around it. It opens by posting receives and then
// waiting for sends, so memory of either is not free before the opening is over. In this order a
// receive is there as soon as the compute action before it is over, whatever its own device then
// waits for. A step may have no turn: a stage need not have nodes of every phase.
struct Step {
  Action action;
  double start_s = 0;         // simulated
  std::vector<size_t> posts;  // receives
  std::vector<size_t> sent;   // sends that must be over
  int64_t opening = 0;        // its position
  size_t begin = 0, end = 0;  // its turns
};

// Everything that one device runs in a pass, in order.
struct DeviceOrder {
  std::vector<Step> steps;
  std::vector<Turn> turns;
  int64_t positions = 0;
  // Per transfer: the step that waits until its send is over, the first that starts after that in
  // simulated time; kUnset when none does.
  std::vector<int32_t> guard;
};

DeviceOrder device_order(const PassSpec& spec, int device, const TransferTable& transfers);

// The stage of every node of the graph, kUnset where the plan has none.
std::vector<int> stage_of_nodes(const PassSpec& spec);

}  // namespace headrace
