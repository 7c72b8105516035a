#include "graph/autodiff.h"

#include <algorithm>
#include <utility>

#include "graph/error.h"
#include "graph/op_def.h"
#include "graph/scalar.h"

namespace headrace {
namespace {

// The weighted sum of the terms as forward nodes.
ValueId add_loss(Graph& graph, const std::vector<LossTerm>& terms) {
  if (terms.empty()) throw Error("a training step needs a loss, and none is given");
  ValueId sum = kNoValue;
  for (const LossTerm& term : terms) {
    const Value& value = graph.value(term.value);
    if (!is_float(value.type.dtype) || value.type.elements() != 1)
      throw Error("the loss '{}' is {}: one float number is wanted", value.name,
                  to_string(value.type));
    ValueId scaled = term.value;
    if (value.type.rank() != 0) scaled = graph.add("Reshape", {scaled}, {{"shape", Shape{}}});
    if (term.weight != 1) {
      const DType dtype = graph.value(scaled).type.dtype;
      const ValueId weight = graph.add_constant("loss_weight", scalar_of(dtype, term.weight));
      scaled = graph.add("Mul", {scaled, weight});
    }
    sum = sum == kNoValue ? scaled : graph.add("Add", {sum, scaled});
  }
  return sum;
}

// One reverse sweep over the forward nodes of a graph.
class Sweep {
 public:
  Sweep(Graph& graph, ValueId loss)
      : graph_(graph),
        forward_nodes_(graph.nodes().size()),
        depends_(graph.values().size(), false),
        wanted_(graph.values().size(), false),
        gradient_(graph.values().size(), kNoValue),
        contributions_(graph.values().size()) {
    find_dependent_values();
    find_wanted_values(loss);
    check_differentiable();
  }

  void run(ValueId loss, ValueId seed) {
    gradient_[index(loss)] = seed;
    for (size_t n = forward_nodes_; n-- > 0;) differentiate_node(static_cast<NodeId>(n));
    settle_phases();
  }

  // Of a parameter, in graph order of its readers.
  std::vector<ValueId> contributions(ValueId parameter) const {
    const auto& last_reader_first = contributions_[index(parameter)];
    return {last_reader_first.rbegin(), last_reader_first.rend()};
  }

 private:
  // A float value that parameters reach through float values alone.
  void find_dependent_values() {
    for (size_t v = 0; v < depends_.size(); ++v)
      depends_[v] = graph_.values()[v].role == Role::parameter;
    for (size_t n = 0; n < forward_nodes_; ++n) {
      const Node& node = graph_.nodes()[n];
      HEADRACE_CHECK(node.phase == Phase::forward, "node '{}' is differentiated already",
                     node.name);
      if (!depends_on_parameter(node)) continue;
      for (const ValueId output : node.outputs)
        if (output != kNoValue) depends_[index(output)] = is_float(graph_.value(output).type.dtype);
    }
  }

  bool depends_on_parameter(const Node& node) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId v) { return v != kNoValue && depends_[index(v)]; });
  }

  // Of those, the values that the loss depends on.
  void find_wanted_values(ValueId loss) {
    wanted_[index(loss)] = depends_[index(loss)];
    for (size_t n = forward_nodes_; n-- > 0;) {
      const Node& node = graph_.nodes()[n];
      if (!is_wanted(node)) continue;
      for (const ValueId input : node.inputs)
        if (input != kNoValue && depends_[index(input)]) wanted_[index(input)] = true;
    }
  }

  bool is_wanted(const Node& node) const {
    return std::any_of(node.outputs.begin(), node.outputs.end(),
                       [&](ValueId v) { return v != kNoValue && wanted_[index(v)]; });
  }

  void check_differentiable() const {
    std::string without;
    for (size_t n = 0; n < forward_nodes_; ++n) {
      const Node& node = graph_.nodes()[n];
      if (is_wanted(node) && get_op(node.op).grad == nullptr)
        without += fmt::format("{}'{}' ({})", without.empty() ? "" : ", ", node.name, node.op);
    }
    if (!without.empty())
      throw Error("between the parameters and the loss stand nodes that have no gradient: {}",
                  without);
  }

  void differentiate_node(NodeId id) {
    const Node node = graph_.node(id);  // emitting moves the graph's own
    if (!is_wanted(node)) return;
    std::vector<ValueId> output_grads;
    for (const ValueId output : node.outputs)
      output_grads.push_back(output == kNoValue ? kNoValue : gradient_[index(output)]);
    if (std::all_of(output_grads.begin(), output_grads.end(),
                    [](ValueId v) { return v == kNoValue; }))
      return;
    std::vector<bool> needed;
    for (const ValueId input : node.inputs)
      needed.push_back(input != kNoValue && depends_[index(input)]);

    GradContext context(graph_, id, std::move(output_grads), std::move(needed));
    const auto grads = get_op(node.op).grad(context);
    HEADRACE_CHECK(grads.size() == node.inputs.size(), "{} inputs of {}, {} gradients",
                   node.inputs.size(), node.op, grads.size());

    // An input that is read twice (x * x) has one gradient: the sum.
    std::vector<std::pair<ValueId, ValueId>> of_input;
    for (size_t i = 0; i < grads.size(); ++i) {
      if (grads[i] == kNoValue || !context.needs(i)) continue;
      HEADRACE_CHECK(graph_.value(grads[i]).type == graph_.value(node.inputs[i]).type,
                     "gradient of input {} of {} is {}", i, node.op,
                     to_string(graph_.value(grads[i]).type));
      const auto same = std::find_if(of_input.begin(), of_input.end(), [&](const auto& pair) {
        return pair.first == node.inputs[i];
      });
      if (same == of_input.end())
        of_input.emplace_back(node.inputs[i], grads[i]);
      else
        same->second = context.emit("Add", {same->second, grads[i]});
    }
    for (const auto& [input, grad] : of_input) {
      if (graph_.value(input).role != Role::parameter) {
        receive(context, input, grad);
        continue;
      }
      const NodeId maker = graph_.value(grad).producer;
      const bool own =
          maker != kNoNode && graph_.node(maker).origin == id &&
          std::count_if(of_input.begin(), of_input.end(),
                        [grad = grad](const auto& pair) { return pair.second == grad; }) == 1;
      contribute(context, input, grad, own);
    }
  }

  // A contribution is a value of its own, made beside its reader: a gradient that the rule only
  // passes on (Add) is the gradient of an activation too, perhaps of another stage's.
  void contribute(GradContext& context, ValueId parameter, ValueId grad, bool own) {
    if (!own)
      grad = context.emit("Reshape", {grad}, {{"shape", graph_.value(parameter).type.shape}});
    contributions_[index(parameter)].push_back(grad);
  }

  void receive(GradContext& context, ValueId input, ValueId grad) {
    ValueId& sum = gradient_[index(input)];
    mark_activation_gradient(grad);
    sum = sum == kNoValue ? grad : context.emit("Add", {sum, grad});
    mark_activation_gradient(sum);
  }

  void mark_activation_gradient(ValueId grad) {
    if (of_activation_.size() <= index(grad)) of_activation_.resize(index(grad) + 1, false);
    of_activation_[index(grad)] = true;
  }

  // I: makes the gradient (or a summand of it) of a value that is no parameter, or leads to one
  // within its forward node's rule. The others lead to contributions alone: W. No W node's result
  // is read beside another forward node, so that W never waits for another stage.
  void settle_phases() {
    of_activation_.resize(graph_.values().size(), false);
    const auto consumers = graph_.consumers();
    for (size_t n = graph_.nodes().size(); n-- > forward_nodes_;) {
      Node& node = graph_.node(static_cast<NodeId>(n));
      const bool leads_on =
          std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
            const auto& readers = consumers[index(output)];
            return of_activation_[index(output)] ||
                   std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
                     return graph_.node(reader).phase == Phase::backward_input;
                   });
          });
      node.phase = leads_on ? Phase::backward_input : Phase::backward_weight;
    }
  }

  Graph& graph_;
  size_t forward_nodes_;
  // Of forward values:
  std::vector<bool> depends_;
  std::vector<bool> wanted_;
  std::vector<ValueId> gradient_;
  std::vector<std::vector<ValueId>> contributions_;
  std::vector<bool> of_activation_;  // of any value: the gradient of a value that is no parameter
};

}  // namespace

TrainingGraph differentiate(Graph forward, const std::vector<LossTerm>& losses,
                            std::vector<StateUpdate> state_updates) {
  TrainingGraph result;
  result.graph = std::move(forward);
  result.state_updates = std::move(state_updates);
  Graph& graph = result.graph;
  result.loss = add_loss(graph, losses);
  const TensorType loss_type = graph.value(result.loss).type;
  result.loss_seed = graph.add_input("loss_seed", loss_type);

  Sweep sweep(graph, result.loss);
  sweep.run(result.loss, result.loss_seed);
  for (size_t v = 0; v < graph.values().size(); ++v) {
    if (graph.values()[v].role != Role::parameter) continue;
    const auto parameter = static_cast<ValueId>(v);
    auto contributions = sweep.contributions(parameter);
    if (contributions.empty())
      result.unreached.push_back(parameter);
    else
      result.gradients.push_back({parameter, std::move(contributions)});
  }
  return result;
}

}  // namespace headrace
