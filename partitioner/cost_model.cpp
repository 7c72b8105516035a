#include "partitioner/cost_model.h"

#include <algorithm>

#include "graph/op_def.h"

namespace headrace {

double node_seconds(const Graph& graph, const Node& node, const DeviceRates& rates) {
  if (node.op == "Reshape" || node.op == "Identity") return 0;
  const Cost cost = node_cost(graph, node);
  const double rate = node.op == "MatMul"           ? rates.matmul_flops_per_s
                      : node.op.starts_with("Conv") ? rates.convolution_flops_per_s
                                                    : rates.elementwise_flops_per_s;
  return std::max(cost.flops / rate, cost.bytes / rates.memory_bytes_per_s) + rates.node_overhead_s;
}

std::vector<double> node_seconds(const Graph& graph, const DeviceRates& rates) {
  std::vector<double> seconds;
  seconds.reserve(graph.nodes().size());
  for (const Node& node : graph.nodes()) seconds.push_back(node_seconds(graph, node, rates));
  return seconds;
}

}  // namespace headrace
