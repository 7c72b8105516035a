#include "cli/plan_summary.h"

#include "graph/op_def.h"

namespace headrace {
namespace {

std::string name_of(const Node& node) { return node.name.empty() ? node.op : node.name; }

StageSummary summarize_stage(const Graph& graph, const StagePlan& plan, size_t stage) {
  StageSummary summary{
      .stage = static_cast<int>(stage), .device = plan.device[stage], .cost = plan.cost[stage]};
  for (const NodeId id : plan.nodes[stage]) {
    const Node& node = graph.node(id);
    if (node.phase == Phase::update) continue;
    ++summary.nodes[static_cast<size_t>(node.phase)];
    summary.recomputed += node.repeats != kNoNode ? 1 : 0;
    if (node.phase != Phase::forward) continue;
    if (summary.first.empty()) summary.first = name_of(node);
    summary.last = name_of(node);
  }
  return summary;
}

ChannelSummary summarize_channel(const Graph& graph, const Channel& channel) {
  const Value& value = graph.value(channel.value);
  return {.from = channel.from,
          .to = channel.to,
          .value = value.name,
          .type = to_string(value.type),
          .bytes = channel.bytes,
          .gradient = channel.phase != Phase::forward};
}

}  // namespace

PlanSummary summarize(const PreparedModel& model, const PreparedPlan& plan,
                      const Settings& settings) {
  const Graph& graph = model.training.graph;
  PlanSummary summary{
      .model = settings.run.model,
      .batch = model.microbatch_size * microbatches_in_all(settings.run),
      .scheduler = settings.scheduler,
      .partitioner = settings.partitioner,
      .notes = model.model.notes,
      .predicted_peak_bytes = predicted_peak_bytes(plan, settings.run.data_parallel),
      .step_s = plan.simulation.step_s};
  for (const auto& gradient : model.training.gradients)
    summary.parameters += graph.value(gradient.parameter).type.elements();
  for (const Node& node : graph.nodes()) {
    const double flops =
        node_cost(graph, node).flops * static_cast<double>(microbatches_in_all(settings.run));
    summary.step_flops += flops;
    if (node.phase == Phase::forward) summary.forward_flops += flops;
  }
  const Graph& planned = graph_of(model, plan).graph;
  for (size_t s = 0; s < plan.plan.nodes.size(); ++s)
    summary.stages.push_back(summarize_stage(planned, plan.plan, s));
  for (const Channel& channel : plan.plan.channels)
    summary.channels.push_back(summarize_channel(graph, channel));
  return summary;
}

}  // namespace headrace
