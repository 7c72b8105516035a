#pragma once

#include <vector>

#include "graph/graph.h"
#include "kernels/device.h"

namespace headrace {

// Seconds of one run of a node's kernel on zeros, the fastest of several runs. On the calling
// thread, which is bound to the device.
double time_node(Device& device, const Graph& graph, const Node& node);

// The same for every node of a graph whose layouts are settled; each distinct form (operator,
// attributes, types, layouts) is run once. Reshape takes no time.
std::vector<double> measured_node_seconds(Device& device, const Graph& graph);

}  // namespace headrace
