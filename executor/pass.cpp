#include "executor/pass.h"

#include <algorithm>

namespace headrace {
namespace {

std::vector<bool> live_nodes(const PassSpec& spec) {
  const Graph& graph = *spec.graph;
  std::vector<bool> live(graph.nodes().size(), false), wanted(graph.values().size(), false);
  for (const auto& gradient : spec.gradients)
    for (const ValueId c : gradient.contributions) wanted[index(c)] = true;
  for (const auto& update : spec.state_updates) wanted[index(update.replacement)] = true;
  for (const ValueId result : spec.results) wanted[index(result)] = true;
  for (size_t n = live.size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    for (const ValueId output : node.outputs)
      live[n] = live[n] || (output != kNoValue && wanted[index(output)]);
    if (!live[n]) continue;
    for (const ValueId input : node.inputs)
      if (input != kNoValue) wanted[index(input)] = true;
  }
  return live;
}

}  // namespace

StagePlan live_plan(const PassSpec& spec, StagePlan plan) {
  const Graph& graph = *spec.graph;
  const auto live = live_nodes(spec);
  std::vector<int> stage(graph.nodes().size(), -1);
  for (size_t s = 0; s < plan.nodes.size(); ++s) {
    std::erase_if(plan.nodes[s],
                  [&](NodeId node) { return index(node) >= live.size() || !live[index(node)]; });
    for (const NodeId node : plan.nodes[s]) stage[index(node)] = static_cast<int>(s);
  }
  const auto readers = graph.consumers();
  std::erase_if(plan.channels, [&](const Channel& channel) {
    const auto& list = readers[index(channel.value)];
    return std::none_of(list.begin(), list.end(),
                        [&](NodeId node) { return stage[index(node)] == channel.to; });
  });
  return plan;
}

std::vector<std::set<ValueId>> weights_of_devices(const PassSpec& spec, const StagePlan& plan,
                                                  int devices) {
  const Graph& graph = *spec.graph;
  std::vector<std::set<ValueId>> held(static_cast<size_t>(devices));
  std::vector<int> device(graph.nodes().size(), -1);
  for (size_t s = 0; s < plan.nodes.size(); ++s) {
    auto& here = held[static_cast<size_t>(plan.device[s])];
    for (const NodeId node : plan.nodes[s]) {
      device[index(node)] = plan.device[s];
      for (const ValueId input : graph.node(node).inputs)
        if (input != kNoValue && graph.value(input).producer == kNoNode &&
            graph.value(input).role != Role::input)
          here.insert(input);
    }
  }
  for (const auto& [state, replacement] : spec.state_updates)
    if (const int d = device[index(graph.value(replacement).producer)]; d >= 0)
      held[static_cast<size_t>(d)].insert(state);
  return held;
}

}  // namespace headrace
