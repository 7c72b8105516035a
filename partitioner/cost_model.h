#pragma once

#include <array>
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

// The rates by name, for whoever keeps or sends them all.
struct NamedRate {
  const char* name;
  double DeviceRates::*value;
};
inline constexpr std::array<NamedRate, 7> kDeviceRates = {{
    {"matmul_flops_per_s", &DeviceRates::matmul_flops_per_s},
    {"convolution_flops_per_s", &DeviceRates::convolution_flops_per_s},
    {"elementwise_flops_per_s", &DeviceRates::elementwise_flops_per_s},
    {"memory_bytes_per_s", &DeviceRates::memory_bytes_per_s},
    {"node_overhead_s", &DeviceRates::node_overhead_s},
    {"copy_bytes_per_s", &DeviceRates::copy_bytes_per_s},
    {"copy_latency_s", &DeviceRates::copy_latency_s},
}};

// Seconds of one run of `node`: the roofline max(flops / rate, bytes / bandwidth) plus the overhead
// of a call (Williams et al., CACM 2009). Reshape costs nothing: it shares its input's memory.
double node_seconds(const Graph& graph, const Node& node, const DeviceRates& rates);

// The same for every node of a graph.
std::vector<double> node_seconds(const Graph& graph, const DeviceRates& rates);

}  // namespace headrace
