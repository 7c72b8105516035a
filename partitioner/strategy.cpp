#include "partitioner/strategy.h"

#include <algorithm>
#include <map>

#include "graph/error.h"

namespace headrace {
namespace {

std::string describe(const PartitionProblem& problem, int node) {
  return fmt::format("node {} ({})", node, problem.nodes[static_cast<size_t>(node)].op);
}

double transfer_s(const PartitionProblem& problem, int64_t bytes) {
  if (bytes == 0 || problem.link_bytes_per_s == 0) return 0;
  return problem.link_latency_s + static_cast<double>(bytes) / problem.link_bytes_per_s;
}

// A value and one device that receives it.
struct Crossing {
  int value, to_device;
  auto operator<=>(const Crossing&) const = default;
};
struct CrossingCost {
  int from_device = 0;
  int64_t forward_bytes = 0, backward_bytes = 0;
};

std::map<Crossing, CrossingCost> crossings(const PartitionProblem& problem,
                                           const std::vector<int>& stage_of_node) {
  const auto device_of = [&](int node) {
    return problem.device_of_stage[static_cast<size_t>(stage_of_node[static_cast<size_t>(node)])];
  };
  std::map<Crossing, CrossingCost> result;
  for (const PartitionEdge& edge : problem.edges) {
    const int from = device_of(edge.from), to = device_of(edge.to);
    if (from == to) continue;
    CrossingCost& cost = result[{edge.value, to}];
    cost.from_device = from;
    cost.forward_bytes = std::max(cost.forward_bytes, edge.forward_bytes);
    cost.backward_bytes = std::max(cost.backward_bytes, edge.backward_bytes);
  }
  return result;
}

std::vector<int64_t> bytes_per_device(const PartitionProblem& problem,
                                      const std::vector<int>& stage_of_node) {
  std::vector<int64_t> bytes(problem.devices.size());
  for (size_t node = 0; node < problem.nodes.size(); ++node) {
    const int stage = stage_of_node[node];
    bytes[static_cast<size_t>(problem.device_of_stage[static_cast<size_t>(stage)])] +=
        problem.nodes[node].parameter_bytes +
        problem.nodes[node].activation_bytes * problem.in_flight(stage);
  }
  return bytes;
}

}  // namespace

void check_partition(const PartitionProblem& problem, const std::vector<int>& stage_of_node,
                     const std::string& strategy) {
  const int stages = problem.stages();
  if (stage_of_node.size() != problem.nodes.size())
    throw Error("partitioner {}: answered for {} nodes, the graph has {}", strategy,
                stage_of_node.size(), problem.nodes.size());

  std::vector<bool> used(static_cast<size_t>(stages));
  std::map<int, int> first_of_group;
  for (int node = 0; node < static_cast<int>(stage_of_node.size()); ++node) {
    const int stage = stage_of_node[static_cast<size_t>(node)];
    if (stage < 0 || stage >= stages)
      throw Error("partitioner {}: {} is in stage {}, there are {} (0 to {})", strategy,
                  describe(problem, node), stage, stages, stages - 1);
    used[static_cast<size_t>(stage)] = true;
    const int group = problem.nodes[static_cast<size_t>(node)].colocate;
    if (group < 0) continue;
    const int first = first_of_group.try_emplace(group, node).first->second;
    const int other = stage_of_node[static_cast<size_t>(first)];
    if (other != stage)
      throw Error("partitioner {}: {} and {} must share a stage, but are in {} and {}", strategy,
                  describe(problem, first), describe(problem, node), other, stage);
  }
  const auto empty = std::find(used.begin(), used.end(), false);
  if (empty != used.end())
    throw Error("partitioner {}: stage {} of {} has no nodes", strategy, empty - used.begin(),
                stages);
  for (const PartitionEdge& edge : problem.edges) {
    const int from = stage_of_node[static_cast<size_t>(edge.from)];
    const int to = stage_of_node[static_cast<size_t>(edge.to)];
    if (from > to)
      throw Error("partitioner {}: {} in stage {} feeds {} in the earlier stage {}", strategy,
                  describe(problem, edge.from), from, describe(problem, edge.to), to);
  }
  const std::vector<int64_t> bytes = bytes_per_device(problem, stage_of_node);
  for (size_t device = 0; device < bytes.size(); ++device) {
    const int64_t limit = problem.devices[device].memory_bytes;
    if (limit > 0 && bytes[device] > limit)
      throw Error("partitioner {}: device {} would hold {} bytes, its limit is {}", strategy,
                  device, bytes[device], limit);
  }
}

PartitionScore score_partition(const PartitionProblem& problem,
                               const std::vector<int>& stage_of_node) {
  HEADRACE_CHECK(stage_of_node.size() == problem.nodes.size());
  PartitionScore score;
  score.device_s.resize(problem.devices.size());
  for (size_t node = 0; node < problem.nodes.size(); ++node) {
    const size_t stage = static_cast<size_t>(stage_of_node[node]);
    const size_t device = static_cast<size_t>(problem.device_of_stage[stage]);
    const PartitionNode& cost = problem.nodes[node];
    score.device_s[device] += (cost.forward_s + cost.backward_input_s + cost.backward_weight_s) /
                              problem.devices[device].speed;
  }
  for (const auto& [crossing, cost] : crossings(problem, stage_of_node)) {
    const double seconds =
        transfer_s(problem, cost.forward_bytes) + transfer_s(problem, cost.backward_bytes);
    score.device_s[static_cast<size_t>(cost.from_device)] += seconds;
    score.device_s[static_cast<size_t>(crossing.to_device)] += seconds;
    score.cut_bytes += cost.forward_bytes + cost.backward_bytes;
  }
  for (const double seconds : score.device_s)
    score.bottleneck_s = std::max(score.bottleneck_s, seconds);
  score.device_bytes = bytes_per_device(problem, stage_of_node);
  return score;
}

}  // namespace headrace
