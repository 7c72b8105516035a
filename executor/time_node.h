#pragma once

#include "executor/cost_table.h"
#include "graph/graph.h"
#include "kernels/device.h"

namespace headrace {

// One run of a node's kernel on zeros, the fastest of several. On the calling thread, which is
// bound to the device.
NodeCost measure_node(Device& device, const Graph& graph, const Node& node);
double time_node(Device& device, const Graph& graph, const Node& node);  // its seconds

// Measures the forms of a graph's nodes (layouts settled) that the table lacks, each once, and
// tells how many. Reshape takes no time.
int64_t measure_missing(Device& device, const Graph& graph, CostTable& table);

}  // namespace headrace
