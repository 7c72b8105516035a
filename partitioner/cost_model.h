#pragma once

#include <array>
#include <string>
#include <vector>

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace headrace {

// What one device was measured to do (executor/calibrate.h), for the kinds of work that differ.
struct DeviceRates {
  std::string machine;  // what was measured, so that a cached file is not used elsewhere
  double matmul_flops_per_s = 5e10;
  double convolution_flops_per_s = 5e10;
  double elementwise_flops_per_s = 5e9;  // everything that is no product: exp counts as several
  double memory_bytes_per_s = 8e9;
  double cache_bytes = 32e6;  // of the largest cache, which devices may share
  double node_overhead_s = 2e-6;
  double copy_bytes_per_s = 8e9;  // between two devices
  double copy_latency_s = 10e-6;
};

// The rates by name, for whoever keeps or sends them all.
struct NamedRate {
  const char* name;
  double DeviceRates::*value;
};
inline constexpr std::array<NamedRate, 8> kDeviceRates = {{
    {"matmul_flops_per_s", &DeviceRates::matmul_flops_per_s},
    {"convolution_flops_per_s", &DeviceRates::convolution_flops_per_s},
    {"elementwise_flops_per_s", &DeviceRates::elementwise_flops_per_s},
    {"memory_bytes_per_s", &DeviceRates::memory_bytes_per_s},
    {"cache_bytes", &DeviceRates::cache_bytes},
    {"node_overhead_s", &DeviceRates::node_overhead_s},
    {"copy_bytes_per_s", &DeviceRates::copy_bytes_per_s},
    {"copy_latency_s", &DeviceRates::copy_latency_s},
}};

// Seconds of one run of `node`: the roofline max(flops / rate, bytes / bandwidth) plus the overhead
// of a call (Williams et al., CACM 2009). Reshape costs nothing: it shares its input's memory.
double node_seconds(const Graph& graph, const Node& node, const DeviceRates& rates);

// Of each node the outputs that are contributions to a parameter's gradient, straight or by way of
// Reshape: every micro-batch after the first adds to what lies there. Empty for nodes without.
std::vector<std::vector<bool>> accumulated_outputs(const TrainingGraph& training);

// The same for every node of a step, the mean over its micro-batches: those after the first also
// read the sums of gradients that they add to.
std::vector<double> node_seconds(const TrainingGraph& training, int microbatches,
                                 const DeviceRates& rates);

}  // namespace headrace
