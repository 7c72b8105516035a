#include "partitioner/partition_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/error.h"

namespace headrace {
namespace {

int stages_of(const PartitionSetting& setting) {
  return static_cast<int>(setting.device_of_stage.size());
}

// What one forward unit keeps alive from F to its backward: computed F values that any I or W node
// reads, counted where they are made.
std::vector<int64_t> stashed_bytes(const Graph& graph, const std::vector<int>& unit, size_t units) {
  const auto root = storage_roots(graph);
  std::set<ValueId> stashed;
  for (const Node& node : graph.nodes()) {
    if (node.phase == Phase::forward) continue;
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const Value& value = graph.value(root[index(input)]);
      if (value.producer != kNoNode && graph.node(value.producer).phase == Phase::forward)
        stashed.insert(root[index(input)]);
    }
  }
  std::vector<int64_t> bytes(units, 0);
  for (const ValueId id : stashed) {
    const Value& value = graph.value(id);
    bytes[static_cast<size_t>(unit[index(value.producer)])] += value.bytes();
  }
  return bytes;
}

// Every value that another unit than its own reads, activations and gradients alike.
std::vector<PartitionValue> values_between(const Graph& graph, const std::vector<int>& unit,
                                           const PartitionSetting& setting) {
  std::map<ValueId, std::set<int>> readers;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (const ValueId input : graph.nodes()[n].inputs) {
      if (input == kNoValue) continue;
      const NodeId producer = graph.value(input).producer;
      if (producer != kNoNode && unit[index(producer)] != unit[n]) readers[input].insert(unit[n]);
    }
  }
  std::vector<PartitionValue> values;
  for (const auto& [id, units] : readers) {
    const Value& value = graph.value(id);
    PartitionValue& crossing = values.emplace_back();
    crossing.producer = unit[index(value.producer)];
    crossing.readers.assign(units.begin(), units.end());
    crossing.bytes = value.bytes();
    if (setting.link_bytes_per_s > 0 && crossing.bytes > 0)
      crossing.seconds =
          setting.link_latency_s + static_cast<double>(crossing.bytes) / setting.link_bytes_per_s;
  }
  return values;
}

}  // namespace

std::vector<int> unit_of_node(const Graph& graph) {
  std::vector<int> unit(graph.nodes().size(), -1);
  int next = 0;
  for (size_t n = 0; n < unit.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.phase == Phase::forward) {
      unit[n] = next++;
    } else {
      HEADRACE_CHECK(node.origin != kNoNode, "backward node '{}' has no origin", node.name);
      unit[n] = unit[index(node.origin)];
      HEADRACE_CHECK(unit[n] >= 0, "origin of '{}' comes later", node.name);
    }
  }
  return unit;
}

PartitionProblem partition_problem(const TrainingGraph& training,
                                   const std::vector<double>& node_seconds,
                                   const PartitionSetting& setting) {
  const Graph& graph = training.graph;
  const auto unit = unit_of_node(graph);
  PartitionProblem problem;
  problem.devices = setting.devices;
  problem.stages_per_device = setting.stages_per_device;
  problem.microbatches = setting.microbatches;
  problem.device_of_stage = setting.device_of_stage;
  problem.link_bytes_per_s = setting.link_bytes_per_s;
  problem.link_latency_s = setting.link_latency_s;

  const int64_t copies = 2 + setting.optimizer_bytes_per_parameter_byte;  // itself and its gradient
  std::set<ValueId> counted;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const auto u = static_cast<size_t>(unit[n]);
    if (node.phase == Phase::forward) {
      problem.nodes.push_back({.op = node.op});
      for (const ValueId input : node.inputs)
        if (input != kNoValue && graph.value(input).role == Role::parameter &&
            counted.insert(input).second)
          problem.nodes[u].parameter_bytes += graph.value(input).bytes() * copies;
    }
    PartitionNode& target = problem.nodes[u];
    (node.phase == Phase::forward          ? target.forward_s
     : node.phase == Phase::backward_input ? target.backward_input_s
                                           : target.backward_weight_s) += node_seconds[n];
  }
  const auto stashed = stashed_bytes(graph, unit, problem.nodes.size());
  for (size_t u = 0; u < stashed.size(); ++u) problem.nodes[u].activation_bytes = stashed[u];

  // An edge per (value, reading unit). A gradient's edge is stated from the earlier unit to the
  // later.
  std::map<std::pair<ValueId, int>, PartitionEdge> edges;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (const ValueId input : graph.nodes()[n].inputs) {
      if (input == kNoValue) continue;
      const Value& value = graph.value(input);
      if (value.producer == kNoNode) continue;
      const int from = unit[index(value.producer)], to = unit[n];
      if (from == to) continue;
      auto& edge = edges[{input, to}];
      edge.from = std::min(from, to);
      edge.to = std::max(from, to);
      edge.value = static_cast<int>(input);
      (from < to ? edge.forward_bytes : edge.backward_bytes) = value.bytes();
    }
  }
  for (const auto& [key, edge] : edges) problem.edges.push_back(edge);
  problem.values = values_between(graph, unit, setting);
  return problem;
}

StagePlan stage_plan(const TrainingGraph& training, const std::vector<int>& stage_of_unit,
                     const std::vector<double>& node_seconds, const PartitionSetting& setting) {
  const Graph& graph = training.graph;
  const auto unit = unit_of_node(graph);
  const auto root = storage_roots(graph);
  const auto stages = static_cast<size_t>(stages_of(setting));
  StagePlan plan;
  plan.nodes.resize(stages);
  plan.cost.resize(stages);
  plan.device = setting.device_of_stage;

  const auto stage_of = [&](size_t node) { return stage_of_unit[static_cast<size_t>(unit[node])]; };
  std::map<std::pair<ValueId, int>, Channel> channels;
  std::set<std::pair<ValueId, size_t>> held, stashed, repeated;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const auto s = static_cast<size_t>(stage_of(n));
    plan.nodes[s].push_back(static_cast<NodeId>(n));
    StageCost& cost = plan.cost[s];
    (node.phase == Phase::forward          ? cost.forward_s
     : node.phase == Phase::backward_input ? cost.backward_input_s
                                           : cost.backward_weight_s) += node_seconds[n];
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const Value& value = graph.value(input);
      if (value.role == Role::parameter && held.insert({input, s}).second) {
        cost.parameter_bytes += value.bytes();
        cost.gradient_bytes += value.bytes();
        cost.optimizer_bytes += value.bytes() * setting.optimizer_bytes_per_parameter_byte;
      }
      if (value.producer == kNoNode) continue;
      const Node& producer = graph.node(value.producer);
      const auto from = static_cast<size_t>(stage_of(index(value.producer)));
      if (from != s) {
        channels[{input, static_cast<int>(s)}] = {
            .value = input,
            .from = static_cast<int>(from),
            .to = static_cast<int>(s),
            .bytes = value.bytes(),
            .phase = producer.phase == Phase::forward ? Phase::forward : Phase::backward_input};
      }
      const ValueId stored = root[index(input)];
      const Value& storage = graph.value(stored);
      if (storage.producer == kNoNode || node.phase == Phase::forward) continue;
      // What W reads outlives I, whether F or I made it.
      const bool activation = graph.node(storage.producer).phase == Phase::forward;
      if (activation && held.insert({stored, s}).second) cost.activation_bytes += storage.bytes();
      const Node& maker = graph.node(storage.producer);
      if (maker.repeats != kNoNode && repeated.insert({stored, s}).second)
        (maker.phase == Phase::backward_input ? cost.recomputed_bytes
                                              : cost.recomputed_weight_bytes) += storage.bytes();
      if (node.phase == Phase::backward_weight &&
          graph.node(storage.producer).phase != Phase::backward_weight &&
          stashed.insert({stored, s}).second)
        cost.weight_stash_bytes += storage.bytes();
    }
  }
  for (const auto& [key, channel] : channels) plan.channels.push_back(channel);
  return plan;
}

}  // namespace headrace
