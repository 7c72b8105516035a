#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partitioner/strategy.h"

namespace headrace {

// A problem's graph with so few boxes that a person can look at it.
struct ContractedGraph {
  struct Edge {
    int from = 0, to = 0;  // boxes
    int64_t bytes = 0;     // of all values along it
  };
  std::vector<std::vector<int>> boxes;  // the nodes in each, ascending; every node in one
  std::vector<Edge> edges;              // a pair of boxes once
  std::string how;                      // what a box holds, in words; empty: every node its own box
};

// At most `most` boxes. Nodes share a box only where every one of `cuts` (each the stage of every
// node) has them in one stage: first along chains, then, where that is not enough, those that
// follow one another in graph order. Edges are those that order the stages; of nodes that have none
// all others. More boxes come out only when the cuts part the nodes into more groups.
ContractedGraph contract(const PartitionProblem& problem, const std::vector<std::vector<int>>& cuts,
                         size_t most);

}  // namespace headrace
