#include "partitioner/cost_model.h"

#include <algorithm>

#include "graph/op_def.h"

namespace headrace {

double node_seconds(const Graph& graph, const Node& node, const DeviceRates& rates) {
  if (node.op == "Reshape" || node.op == "Identity") return 0;
  const Cost cost = node_cost(graph, node);
  const bool multiplies = node.op == "MatMul" || node.op.starts_with("Attention");
  const double rate = multiplies                    ? rates.matmul_flops_per_s
                      : node.op.starts_with("Conv") ? rates.convolution_flops_per_s
                                                    : rates.elementwise_flops_per_s;
  return std::max(cost.flops / rate, cost.bytes / rates.memory_bytes_per_s) + rates.node_overhead_s;
}

std::vector<std::vector<bool>> accumulated_outputs(const TrainingGraph& training) {
  const Graph& graph = training.graph;
  const auto root = storage_roots(graph);
  std::vector<bool> contributes(graph.values().size());
  for (const auto& gradient : training.gradients)
    for (const ValueId contribution : gradient.contributions)
      contributes[index(root[index(contribution)])] = true;
  std::vector<std::vector<bool>> accumulated(graph.nodes().size());
  for (size_t n = 0; n < accumulated.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.op == "Reshape") continue;
    std::vector<bool> outputs;
    for (const ValueId output : node.outputs)
      outputs.push_back(output != kNoValue && contributes[index(output)]);
    if (std::find(outputs.begin(), outputs.end(), true) != outputs.end())
      accumulated[n] = std::move(outputs);
  }
  return accumulated;
}

std::vector<double> node_seconds(const TrainingGraph& training, int microbatches,
                                 const DeviceRates& rates) {
  const Graph& graph = training.graph;
  const auto accumulated = accumulated_outputs(training);
  std::vector<double> seconds;
  seconds.reserve(graph.nodes().size());
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    double sums = 0;
    for (size_t o = 0; o < accumulated[n].size(); ++o)
      if (accumulated[n][o]) sums += static_cast<double>(graph.value(node.outputs[o]).bytes());
    seconds.push_back(node_seconds(graph, node, rates) +
                      sums / rates.memory_bytes_per_s * (microbatches - 1) / microbatches);
  }
  return seconds;
}

}  // namespace headrace
