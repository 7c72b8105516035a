#pragma once

// The graph as the exact search and the search by moves see it: units that stay together, the
// tensors between them, and which unit may not be in a later stage than which.

#include <cstdint>
#include <vector>

#include "plugins/sdk.h"

namespace headrace::partitioners {

// Every device that has readers without having the producer receives it once.
struct Tensor {
  int producer = 0;
  std::vector<int> readers;  // ascending, without the producer
  double seconds = 0;        // above 0
};

struct Units {
  explicit Units(const sdk::PartitionRequest& request);

  int size() const { return static_cast<int>(seconds.size()); }
  int stages() const { return static_cast<int>(device_of_stage.size()); }
  int devices() const { return static_cast<int>(speed.size()); }
  int64_t bytes(int unit, int stage) const {
    const auto u = static_cast<size_t>(unit);
    return held_bytes[u] + flight_bytes[u] * in_flight[static_cast<size_t>(stage)];
  }

  // The same with all units of one group made one; groups are numbered from 0. Groups that stages
  // cannot part because of the order among them must be one already.
  void contract(const std::vector<int>& group);

  std::vector<int> unit_of_node;
  std::vector<double> seconds;  // on a device of speed 1
  std::vector<int64_t> held_bytes, flight_bytes;
  std::vector<Tensor> tensors;
  std::vector<std::vector<int>> touching;       // per unit: the tensors that it makes or reads
  std::vector<std::vector<int>> before, after;  // per unit; empty where order does not matter
  std::vector<double> speed;                    // per device
  std::vector<int64_t> memory_bytes;            // per device; 0: no limit
  std::vector<int> device_of_stage, in_flight;  // per stage
  bool host = false, overlapped = false, empty_stages = false;

 private:
  void index();
};

// Joins units that some best answer has together: one whose exchange with a neighbour costs that
// neighbour's device at least as much as its work and all its other exchanges would. Answers that
// need a unit for an otherwise empty stage are not considered.
void join_dominated(Units& units);

// The load of every device and what it holds over its memory, in all.
struct Loads {
  std::vector<double> device_s;
  double largest_s = 0;
  int64_t overflow_bytes = 0;
};
Loads loads_of(const Units& units, const std::vector<int>& stage_of_unit);

// Whether no unit is in a later stage than one that must follow it, and no stage is empty where
// that is not allowed.
bool is_in_order(const Units& units, const std::vector<int>& stage_of_unit);

// The stages of the request's nodes.
std::vector<int> stages_of_nodes(const Units& units, const std::vector<int>& stage_of_unit);

}  // namespace headrace::partitioners
