#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// How far measured seconds are from analytic ones for the nodes of one operator.
struct CostComparison {
  std::string op = {};
  int64_t nodes = 0;
  double measured_s = 0, analytic_s = 0;  // of all of them
  double ratio = 1;                       // measured / analytic, the geometric mean over nodes
  double worst = 1;                       // the ratio that is furthest from 1, either way
  NodeId worst_node = kNoNode;
};

// One per operator, the longest measured first. Both hold the seconds of every node of the graph;
// nodes that either takes to be free say nothing and are left out.
std::vector<CostComparison> compare_costs(const Graph& graph, const std::vector<double>& measured_s,
                                          const std::vector<double>& analytic_s);

}  // namespace headrace
