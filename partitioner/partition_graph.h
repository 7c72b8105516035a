#pragma once

#include <vector>

#include "graph/autodiff.h"
#include "partitioner/stage_plan.h"
#include "partitioner/strategy.h"

namespace headrace {

// What the run adds to the graph's own costs.
struct PartitionSetting {
  std::vector<int> device_of_stage;
  std::vector<PartitionDevice> devices;
  int stages_per_device = 1;
  int microbatches = 1;
  double link_bytes_per_s = 0;
  double link_latency_s = 0;
  int64_t optimizer_bytes_per_parameter_byte = 0;  // 1 for momentum, 2 for Adam
};

// The units of partitioning are the forward nodes; backward nodes stay with their origin.
// unit_of_node[n] is the index of that forward node among the forward nodes.
std::vector<int> unit_of_node(const Graph& graph);

PartitionProblem partition_problem(const TrainingGraph& training,
                                   const std::vector<double>& node_seconds,
                                   const PartitionSetting& setting);

// Expands a strategy's answer (stage of every unit) into the plan: nodes of each stage, costs per
// micro-batch, and a channel for each value that another stage reads.
StagePlan stage_plan(const TrainingGraph& training, const std::vector<int>& stage_of_unit,
                     const std::vector<double>& node_seconds, const PartitionSetting& setting);

}  // namespace headrace
