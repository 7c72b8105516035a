#include "executor/settle_layouts.h"

#include <map>

#include "graph/error.h"
#include "graph/passes.h"

namespace headrace {
namespace {

class Settler {
 public:
  Settler(TrainingGraph training, Device& device)
      : old_(std::move(training)), device_(device), new_id_(old_.graph.nodes().size(), kNoNode) {
    result_ = old_;
    result_.graph = without_nodes(old_.graph);
  }

  TrainingGraph settle() {
    for (size_t n = 0; n < old_.graph.nodes().size(); ++n) {
      Node node = old_.graph.nodes()[n];
      if (node.origin != kNoNode) node.origin = new_id_[index(node.origin)];
      const LayoutProposal proposal = device_.propose_layouts(kernel_request(next(), node));
      HEADRACE_CHECK(proposal.inputs.size() == node.inputs.size() &&
                     proposal.outputs.size() == node.outputs.size());
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNoValue)
          node.inputs[i] = in_layout(node.inputs[i], proposal.inputs[i], node);
      for (size_t o = 0; o < node.outputs.size(); ++o)
        if (node.outputs[o] != kNoValue) next().value(node.outputs[o]).layout = proposal.outputs[o];
      new_id_[n] = next().adopt_node(std::move(node));
    }
    for (auto& gradient : result_.gradients)
      for (ValueId& contribution : gradient.contributions)
        contribution = like_parameter(contribution, gradient.parameter);
    return std::move(result_);
  }

 private:
  Graph& next() { return result_.graph; }

  // `id` as `wanted` lies: itself, its settled layout if it has none yet, or a Reorder of it.
  ValueId in_layout(ValueId id, const Layout& wanted, const Node& reader) {
    Value& value = next().value(id);
    if (value.layout == wanted) {
      settled_[id] = true;
      return id;
    }
    const bool weight = value.role == Role::parameter || value.role == Role::constant;
    if (weight && !settled_[id]) {
      settled_[id] = true;
      value.layout = wanted;
      return id;
    }
    // A Reorder in F serves everyone; one made in I or W serves the backward of its own origin.
    const auto origin = reader.phase == Phase::forward ? kNoNode : reader.origin;
    for (const NodeId key : {kNoNode, origin})
      if (const auto it = reordered_.find({id, wanted.id, key}); it != reordered_.end())
        return it->second;
    return reordered_[{id, wanted.id, origin}] = reorder(id, wanted, reader.phase, reader.origin);
  }

  ValueId reorder(ValueId id, const Layout& wanted, Phase phase, NodeId origin) {
    const Value source = next().value(id);
    Node node;
    node.op = "Reorder";
    node.name = source.name + ":reordered" + std::to_string(wanted.id);
    node.inputs = {id};
    node.outputs = {next().add_value({.name = node.name, .type = source.type, .layout = wanted})};
    node.phase = phase;
    node.origin = origin;
    const ValueId output = node.outputs[0];
    next().adopt_node(std::move(node));
    return output;
  }

  ValueId like_parameter(ValueId contribution, ValueId parameter) {
    const Layout wanted = next().value(parameter).layout;
    if (next().value(contribution).layout == wanted) return contribution;
    const Node maker = next().node(next().value(contribution).producer);
    return reorder(
        contribution, wanted, Phase::backward_weight,
        maker.phase == Phase::forward ? next().value(contribution).producer : maker.origin);
  }

  TrainingGraph old_, result_;
  Device& device_;
  std::vector<NodeId> new_id_;
  std::map<ValueId, bool> settled_;
  std::map<std::tuple<ValueId, uint16_t, NodeId>, ValueId> reordered_;
};

}  // namespace

TrainingGraph settle_layouts(TrainingGraph training, Device& device) {
  return Settler(std::move(training), device).settle();
}

}  // namespace headrace
