#pragma once

// The graph as the partitioners see it: nodes in graph order, which cuts between them are allowed,
// and what every node costs. Stage s of a cut list `cuts` is [cuts[s], cuts[s + 1]).

#include <cstdint>
#include <vector>

#include "plugins/sdk.h"

namespace headrace::partitioners {

// A tensor that other nodes than its producer read, earlier or later ones: gradients flow back.
struct Value {
  int producer = 0;
  std::vector<int> readers;  // ascending, never empty
  int reader_before = -1;    // the last one that stands before the producer; -1: none
  double seconds = 0;        // what one transfer of it keeps both ends busy
};

// One reading of a value by a node.
struct Use {
  int value;
  int previous;  // the reader before this one, in graph order; -1: none
};

// Where a stage runs.
struct Stage {
  int device;
  double seconds_factor;  // 1 / the device's speed
  int64_t memory_bytes;   // the device's; 0: no limit
  int in_flight;          // micro-batches whose activations it holds
};

struct Chain {
  explicit Chain(const sdk::PartitionRequest& request);

  int nodes() const { return static_cast<int>(seconds.size()); }

  int devices = 0;
  int microbatches = 1;
  int ramp_stages = 0;  // stages that fill the pipeline: devices - 1 where a device has several
  // Stages run in rounds, one on each device in the same order: a looped placement of several
  // stages per device.
  bool in_rounds = false;
  std::vector<Stage> stages;
  std::vector<double> seconds;  // F + I + W of each node on a device of speed 1
  std::vector<int64_t> parameter_bytes, activation_bytes;
  std::vector<Value> values;
  std::vector<std::vector<Use>> uses;     // per node
  std::vector<std::vector<int>> outputs;  // per node: the values that it produces
  bool host = false;  // a sender pays for a value once, not once for each device that receives it
  std::vector<int> cuts;  // allowed ones, ascending, 0 and nodes() included: never through a group
                          // of colocated nodes
};

// The allowed cuts of a request, as in Chain::cuts.
std::vector<int> allowed_cuts(const sdk::PartitionRequest& request);

// Throws std::invalid_argument when there are fewer pieces than stages.
void check_enough_pieces(const std::vector<int>& cuts, int stages);

// Cuts that give every stage an equal share of something that nodes have: `before[c]` is what all
// nodes before allowed[c] have together. Each stands at the allowed place nearest to its share, the
// first of equals, and leaves no stage empty. There must be enough pieces.
std::vector<int> cuts_at_shares(const std::vector<int>& allowed, const std::vector<int64_t>& before,
                                int stages);

// The stage of every node.
std::vector<int> stages_of(const std::vector<int>& cuts);

}  // namespace headrace::partitioners
