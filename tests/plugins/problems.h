#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "graph/error.h"
#include "partitioner/strategy.h"
#include "plugins/host/registry.h"

namespace headrace::testing {

inline const std::string kPlugins = HEADRACE_PLUGIN_DIR;
inline std::string bad_plugin(const std::string& name) {
  return std::string(HEADRACE_BAD_PLUGIN_DIR) + "/" + name + ".so";
}

// The text of the Error that `work` throws.
template <typename Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

// Stages on `devices` devices of speed 1, looped; the nodes are still to come.
inline PartitionProblem empty_problem(int devices, int stages_per_device) {
  PartitionProblem problem;
  problem.devices.resize(static_cast<size_t>(devices));
  problem.stages_per_device = stages_per_device;
  problem.device_of_stage = looped_placement(devices, stages_per_device);
  return problem;
}

// Nodes in a row, node i feeding node i + 1 with `bytes` each way.
inline PartitionProblem chain_problem(const std::vector<double>& seconds, int64_t bytes,
                                      int devices, int stages_per_device = 1) {
  PartitionProblem problem = empty_problem(devices, stages_per_device);
  for (size_t i = 0; i < seconds.size(); ++i) {
    problem.nodes.push_back({.op = "MatMul", .forward_s = seconds[i]});
    if (i == 0) continue;
    const int from = static_cast<int>(i) - 1;
    problem.edges.push_back({.from = from,
                             .to = from + 1,
                             .value = from,
                             .forward_bytes = bytes,
                             .backward_bytes = bytes});
  }
  return problem;
}

}  // namespace headrace::testing
