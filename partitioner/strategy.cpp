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

void add_reader(PartitionValue& value, int reader) {
  if (value.readers.empty() || value.readers.back() != reader) value.readers.push_back(reader);
}

}  // namespace

std::vector<PartitionValue> transfers(const PartitionProblem& problem) {
  if (!problem.values.empty()) return problem.values;
  std::vector<PartitionEdge> edges = problem.edges;
  std::stable_sort(edges.begin(), edges.end(), [](const PartitionEdge& a, const PartitionEdge& b) {
    return a.value != b.value ? a.value < b.value : a.to < b.to;
  });
  std::vector<PartitionValue> result;
  for (auto begin = edges.begin(); begin != edges.end();) {
    const auto end = std::find_if(
        begin, edges.end(), [&](const PartitionEdge& edge) { return edge.value != begin->value; });
    // Between two devices a gradient costs what a value in the other direction costs.
    PartitionValue forward, backward;
    forward.producer = backward.producer = begin->from;
    for (; begin != end; ++begin) {
      if (begin->forward_bytes > 0) add_reader(forward, begin->to);
      if (begin->backward_bytes > 0) add_reader(backward, begin->to);
      forward.bytes = std::max(forward.bytes, begin->forward_bytes);
      backward.bytes = std::max(backward.bytes, begin->backward_bytes);
    }
    for (PartitionValue* value : {&forward, &backward}) {
      if (value->readers.empty()) continue;
      value->seconds = transfer_s(problem, value->bytes);
      result.push_back(std::move(*value));
    }
  }
  return result;
}

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
  if (empty != used.end() && !problem.empty_stages)
    throw Error("partitioner {}: stage {} of {} has no nodes", strategy, empty - used.begin(),
                stages);
  for (const PartitionEdge& edge : problem.edges) {
    if (!problem.contiguous || !edge.ordered) continue;
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
  const size_t devices = problem.devices.size();
  std::vector<double> compute_s(devices), transfer_s(devices);
  std::vector<size_t> device_of;
  for (size_t node = 0; node < problem.nodes.size(); ++node) {
    const auto stage = static_cast<size_t>(stage_of_node[node]);
    const auto device = static_cast<size_t>(problem.device_of_stage[stage]);
    compute_s[device] += problem.nodes[node].seconds() / problem.devices[device].speed;
    device_of.push_back(device);
  }
  std::vector<size_t> receivers;
  for (const PartitionValue& value : transfers(problem)) {
    const size_t from = device_of[static_cast<size_t>(value.producer)];
    receivers.clear();
    for (const int reader : value.readers) {
      const size_t to = device_of[static_cast<size_t>(reader)];
      if (to == from || std::find(receivers.begin(), receivers.end(), to) != receivers.end())
        continue;
      receivers.push_back(to);
      transfer_s[to] += value.seconds;
      if (problem.communication == Communication::p2p || receivers.size() == 1)
        transfer_s[from] += value.seconds;
      score.cut_bytes += value.bytes;
      score.cut_s += value.seconds;
    }
  }
  for (size_t d = 0; d < devices; ++d) {
    score.device_s.push_back(problem.overlapped ? std::max(compute_s[d], transfer_s[d])
                                                : compute_s[d] + transfer_s[d]);
    score.bottleneck_s = std::max(score.bottleneck_s, score.device_s.back());
  }
  score.device_bytes = bytes_per_device(problem, stage_of_node);
  return score;
}

double work_bound(const PartitionProblem& problem) {
  double total_s = 0, largest_s = 0, speed = 0, fastest = 0;
  for (const PartitionNode& node : problem.nodes) {
    total_s += node.seconds();
    largest_s = std::max(largest_s, node.seconds());
  }
  for (const PartitionDevice& device : problem.devices) {
    speed += device.speed;
    fastest = std::max(fastest, device.speed);
  }
  return std::max(total_s / speed, largest_s / fastest);
}

}  // namespace headrace
