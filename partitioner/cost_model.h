#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// What one device was measured to do (executor/calibrate.h), for the kinds of work that differ.
struct DeviceRates {
  std::string machine;  // what was measured, so that a cached file is not used elsewhere
  double matmul_flops_per_s = 5e10;
  double convolution_flops_per_s = 5e10;
  double elementwise_flops_per_s = 5e9;  // everything that is no product: exp counts as several
  double memory_bytes_per_s = 8e9;
  double node_overhead_s = 2e-6;
  double copy_bytes_per_s = 8e9;  // between two devices
  double copy_latency_s = 10e-6;
};

// Seconds of one run of `node`: the roofline max(flops / rate, bytes / bandwidth) plus the overhead
// of a call (Williams et al., CACM 2009). Reshape costs nothing: it shares its input's memory.
double node_seconds(const Graph& graph, const Node& node, const DeviceRates& rates);

// The same for every node of a graph.
std::vector<double> node_seconds(const Graph& graph, const DeviceRates& rates);

}  // namespace headrace
