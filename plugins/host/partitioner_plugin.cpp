#include "plugins/host/partitioner_plugin.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "graph/error.h"
#include "plugins/host/plugin_call.h"

namespace headrace {
namespace {

// Sums of the same seconds in another order differ by less than this.
constexpr double kRounding = 1 + 1e-9;

// One array per field, as the ABI wants them.
template <typename Row, typename Field>
auto column(const std::vector<Row>& rows, Field field) {
  std::vector<std::decay_t<std::invoke_result_t<Field, const Row&>>> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(std::invoke(field, row));
  return values;
}

class PluginPartitioner final : public PartitionStrategy {
 public:
  PluginPartitioner(std::shared_ptr<const LoadedPlugin> plugin, OptionValues options)
      : plugin_(std::move(plugin)), options_(std::move(options)) {}

  const std::string& name() const override { return plugin_->info().name; }
  PartitionAnswer solve(const PartitionProblem& problem) const override;

 private:
  PartitionAnswer ask(const headrace_partition_request& request,
                      const PartitionProblem& problem) const;

  std::shared_ptr<const LoadedPlugin> plugin_;
  OptionValues options_;
};

PartitionAnswer PluginPartitioner::solve(const PartitionProblem& problem) const {
  using Node = PartitionNode;
  using Edge = PartitionEdge;
  using Device = PartitionDevice;
  const auto& [nodes, edges, devices] = std::tie(problem.nodes, problem.edges, problem.devices);
  const auto op = column(nodes, [](const Node& node) { return node.op.c_str(); });
  const auto forward_s = column(nodes, &Node::forward_s);
  const auto backward_input_s = column(nodes, &Node::backward_input_s);
  const auto backward_weight_s = column(nodes, &Node::backward_weight_s);
  const auto parameter_bytes = column(nodes, &Node::parameter_bytes);
  const auto activation_bytes = column(nodes, &Node::activation_bytes);
  const auto colocate = column(nodes, &Node::colocate);
  const auto from = column(edges, &Edge::from);
  const auto to = column(edges, &Edge::to);
  const auto value = column(edges, &Edge::value);
  const auto forward_bytes = column(edges, &Edge::forward_bytes);
  const auto backward_bytes = column(edges, &Edge::backward_bytes);
  const auto speed = column(devices, &Device::speed);
  const auto memory_bytes = column(devices, &Device::memory_bytes);
  const auto ordered = column(edges, [](const Edge& edge) { return edge.ordered ? 1 : 0; });
  const std::vector<PartitionValue> values = transfers(problem);
  const auto producer = column(values, &PartitionValue::producer);
  const auto value_bytes = column(values, &PartitionValue::bytes);
  const auto value_seconds = column(values, &PartitionValue::seconds);
  std::vector<int> first_reader{0}, readers;
  for (const PartitionValue& each : values) {
    readers.insert(readers.end(), each.readers.begin(), each.readers.end());
    first_reader.push_back(static_cast<int>(readers.size()));
  }
  std::vector<int> in_flight;
  for (int stage = 0; stage < problem.stages(); ++stage)
    in_flight.push_back(problem.in_flight(stage));

  const headrace_partition_request request{
      sizeof(headrace_partition_request),
      static_cast<int32_t>(nodes.size()),
      static_cast<int32_t>(edges.size()),
      static_cast<int32_t>(devices.size()),
      problem.stages(),
      problem.stages_per_device,
      problem.microbatches,
      op.data(),
      forward_s.data(),
      backward_input_s.data(),
      backward_weight_s.data(),
      parameter_bytes.data(),
      activation_bytes.data(),
      colocate.data(),
      from.data(),
      to.data(),
      value.data(),
      forward_bytes.data(),
      backward_bytes.data(),
      speed.data(),
      memory_bytes.data(),
      problem.device_of_stage.data(),
      in_flight.data(),
      problem.link_bytes_per_s,
      problem.link_latency_s,
      problem.costs_only ? HEADRACE_GRAPH_COSTS : HEADRACE_GRAPH_MODEL,
      problem.communication == Communication::host ? HEADRACE_COMMUNICATION_HOST
                                                   : HEADRACE_COMMUNICATION_P2P,
      problem.overlapped,
      problem.contiguous,
      problem.empty_stages,
      ordered.data(),
      static_cast<int32_t>(values.size()),
      producer.data(),
      value_bytes.data(),
      value_seconds.data(),
      first_reader.data(),
      readers.data()};
  PartitionAnswer answer = ask(request, problem);
  check_partition(problem, answer.stage_of_node, name());
  if (answer.lower_bound_s > 0) {
    const double reached = score_partition(problem, answer.stage_of_node).bottleneck_s;
    if (answer.lower_bound_s > reached * kRounding)
      throw Error("partitioner {}: its bound of {} s is above the {} s of its own answer", name(),
                  answer.lower_bound_s, reached);
  }
  return answer;
}

PartitionAnswer PluginPartitioner::ask(const headrace_partition_request& request,
                                       const PartitionProblem& problem) const {
  const size_t nodes = static_cast<size_t>(request.nodes);
  PartitionAnswer answer{.stage_of_node = std::vector<int>(nodes)};
  std::vector<bool> assigned(nodes);
  const auto assign = [&](int node, int stage) {
    if (node < 0 || static_cast<size_t>(node) >= nodes)
      throw Error("gave a stage to node {} of {}", node, nodes);
    if (assigned[static_cast<size_t>(node)]) throw Error("gave a stage to node {} twice", node);
    assigned[static_cast<size_t>(node)] = true;
    answer.stage_of_node[static_cast<size_t>(node)] = stage;
  };
  const auto bound = [&](double lower_bound_s) {
    if (!std::isfinite(lower_bound_s) || lower_bound_s < 0)
      throw Error("told a bound of {} s", lower_bound_s);
    answer.lower_bound_s = lower_bound_s;
  };
  PluginCall::Simulator simulator;
  if (problem.simulate)
    simulator = [&](const int32_t* stages) { return problem.simulate({stages, stages + nodes}); };
  PluginCall call(plugin_->info(), options_, nullptr, assign, bound, simulator);
  call.run(plugin_->partitioner().partition, request);
  const auto missing = std::find(assigned.begin(), assigned.end(), false);
  if (missing != assigned.end())
    throw Error("partitioner {}: gave no stage to node {} ({}), of {}", name(),
                missing - assigned.begin(), request.node_op[missing - assigned.begin()], nodes);
  return answer;
}

}  // namespace

std::unique_ptr<PartitionStrategy> make_partitioner(std::shared_ptr<const LoadedPlugin> plugin,
                                                    OptionValues options) {
  return std::make_unique<PluginPartitioner>(std::move(plugin), std::move(options));
}

}  // namespace headrace
