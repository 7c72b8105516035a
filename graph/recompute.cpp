#include "graph/recompute.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/error.h"
#include "graph/passes.h"

namespace headrace {
namespace {

using Stages = std::vector<std::vector<NodeId>>;

Stages nodes_of_stages(const Graph& graph, const std::vector<int>& stage, size_t stages) {
  Stages nodes(stages);
  for (size_t n = 0; n < graph.nodes().size(); ++n)
    nodes[static_cast<size_t>(stage[n])].push_back(static_cast<NodeId>(n));
  return nodes;
}

// What another micro-batch's forward pass overwrites.
std::set<ValueId> replaced_states(const TrainingGraph& training) {
  std::set<ValueId> states;
  for (const StateUpdate& update : training.state_updates)
    states.insert({update.state, update.replacement});
  return states;
}

// The forward nodes of one stage that its backward nodes need once more, and when: for the gradient
// of inputs, or of weights alone.
class StageRepeats {
 public:
  StageRepeats(const Graph& graph, const std::set<ValueId>& replaced,
               const std::vector<NodeId>& nodes)
      : graph_(graph), replaced_(replaced) {
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      const Node& node = graph_.node(*it);
      if (node.phase == Phase::forward)
        consider(*it, node);
      else
        want_inputs(node, node.phase);
    }
    std::reverse(repeated.begin(), repeated.end());
  }

  std::vector<std::pair<NodeId, Phase>> repeated;  // in the graph's order

 private:
  void want_inputs(const Node& node, Phase phase) {
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const auto [it, first] = wanted_.try_emplace(input, phase);
      if (!first) it->second = std::min(it->second, phase);
    }
  }

  void consider(NodeId id, const Node& node) {
    Phase phase = Phase::update;
    for (const ValueId output : node.outputs)
      if (const auto it = wanted_.find(output); it != wanted_.end())
        phase = std::min(phase, it->second);
    if (phase == Phase::update || is_kept(node)) return;
    repeated.emplace_back(id, phase);
    want_inputs(node, phase);
  }

  bool is_kept(const Node& node) const {
    return node.op != "BatchNormalization" &&
           std::ranges::any_of(node.inputs, [&](ValueId id) { return replaced_.contains(id); });
  }

  const Graph& graph_;
  const std::set<ValueId>& replaced_;
  std::map<ValueId, Phase> wanted_;  // by whom, the earliest
};

class Rewriter {
 public:
  Rewriter(const TrainingGraph& training, const std::vector<int>& stage,
           const std::vector<bool>& chosen)
      : training_(training),
        stage_(stage),
        chosen_(chosen),
        replaced_(replaced_states(training)),
        nodes_(nodes_of_stages(training.graph, stage, chosen.size())),
        again_(chosen.size()),
        begun_(chosen.size()),
        result_(without_nodes(training.graph)) {}

  TrainingGraph rewritten() {
    const Graph& graph = training_.graph;
    for (size_t n = 0; n < graph.nodes().size(); ++n) {
      Node node = graph.nodes()[n];
      const auto s = static_cast<size_t>(stage_[n]);
      if (node.phase != Phase::forward && chosen_[s]) {
        if (!begun_[s]) repeat(s);
        for (ValueId& input : node.inputs) input = once_more(s, input);
      }
      result_.adopt_node(std::move(node));
    }
    return {.graph = std::move(result_),
            .loss = training_.loss,
            .loss_seed = training_.loss_seed,
            .gradients = training_.gradients,
            .state_updates = training_.state_updates,
            .unreached = training_.unreached};
  }

 private:
  void repeat(size_t s) {
    begun_[s] = true;
    for (const auto& [id, phase] : StageRepeats(training_.graph, replaced_, nodes_[s]).repeated) {
      Node node = training_.graph.node(id);
      for (ValueId& input : node.inputs) input = once_more(s, input);
      for (ValueId& output : node.outputs) {
        if (output == kNoValue) continue;
        const Value& first = training_.graph.value(output);
        const ValueId second = result_.add_value({.name = first.name + ".again",
                                                  .type = first.type,
                                                  .role = Role::computed,
                                                  .layout = first.layout});
        again_[s][output] = second;
        output = second;
      }
      node.phase = phase;
      node.origin = id;
      node.repeats = id;
      result_.adopt_node(std::move(node));
    }
  }

  ValueId once_more(size_t s, ValueId id) const {
    const auto it = again_[s].find(id);
    return it == again_[s].end() ? id : it->second;
  }

  const TrainingGraph& training_;
  const std::vector<int>& stage_;
  const std::vector<bool>& chosen_;
  const std::set<ValueId> replaced_;
  const Stages nodes_;
  std::vector<std::map<ValueId, ValueId>> again_;  // of each stage
  std::vector<bool> begun_;
  Graph result_;
};

}  // namespace

TrainingGraph recompute(const TrainingGraph& training, const std::vector<int>& stage,
                        const std::vector<bool>& chosen) {
  HEADRACE_CHECK(stage.size() == training.graph.nodes().size());
  return Rewriter(training, stage, chosen).rewritten();
}

std::vector<double> with_repeats(const Graph& recomputed, const std::vector<double>& of_nodes) {
  std::vector<double> result;
  size_t next = 0;
  for (const Node& node : recomputed.nodes())
    result.push_back(node.repeats != kNoNode ? of_nodes.at(index(node.repeats))
                                             : of_nodes.at(next++));
  return result;
}

}  // namespace headrace
