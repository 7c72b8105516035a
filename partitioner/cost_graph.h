#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "partitioner/strategy.h"

namespace headrace {

// A graph of costs as users bring it, without a model: forward and backward nodes stand apart, and
// `colocate` holds together what must share a device.
struct CostNode {
  std::string id;
  double seconds = 0;  // on a device of speed 1
  Phase phase = Phase::forward;
  int64_t bytes = 0;     // what it holds on its device
  std::string colocate;  // nodes with the same key stay together; empty: free
};

// `from` hands its one result to `to`. Where the edges of a node differ, a device that reads it
// over several of them pays the largest.
struct CostEdge {
  int from = 0, to = 0;  // nodes
  double seconds = 0;    // of one transfer
  int64_t bytes = 0;     // 0: only its seconds are known
};

struct CostGraph {
  std::vector<CostNode> nodes;
  std::vector<CostEdge> edges;
  std::vector<PartitionDevice> devices;
  double link_bytes_per_s = 0;  // 0: not told
  Communication communication = Communication::p2p;
  bool overlapped = false;
};

// The same graph as strategies see it, and the way back.
struct CostProblem {
  PartitionProblem problem;
  std::vector<int> unit_of_node;  // of the graph -> node of the problem

  // The device of every node of the graph.
  std::vector<int> devices(const std::vector<int>& stage_of_unit) const;
};

// A unit is everything that shares a key, and for contiguous stages also every cycle of forward
// units, which no order of stages can part. Units stand in a topological order of the forward work
// found by depth-first search; those without forward work stand beside the one that they exchange
// most with. `graph` has no cycle. Stage s runs on device s mod devices.
CostProblem cost_problem(const CostGraph& graph, int stages_per_device, bool contiguous);

// Reads the JSON of `headrace partition --costs`. Throws Error, one line with the file and the
// node: what is no such graph, an unknown key, a node twice, an edge to none, a number that is
// negative or not finite, bytes to transfer without a link, a cycle.
CostGraph read_cost_graph(const std::string& path);

// Gives the graph as many devices: its first ones, or more of the same kind. Throws Error when
// there are too few and they differ.
void resize_devices(CostGraph& graph, int devices);

}  // namespace headrace
