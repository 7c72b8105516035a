#include "executor/losses.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/split.h"

namespace headrace {
namespace {

const std::vector<std::string> kKinds = {"cross-entropy", "nll",        "mse",
                                         "bce",           "bce-logits", "output"};

std::string names_of(const Graph& graph, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids)
    text += fmt::format("{}'{}' {}", text.empty() ? "" : ", ", graph.value(id).name,
                        to_string(graph.value(id).type));
  return text;
}

ValueId find_output(const Graph& graph, const std::string& name) {
  if (name.empty()) return graph.outputs.at(0);
  for (const ValueId id : graph.outputs)
    if (graph.value(id).name == name) return id;
  throw Error("--loss: the model has no output '{}'; it has {}", name,
              names_of(graph, graph.outputs));
}

// Names of outputs may hold colons themselves: the longest output that OUTPUT:TARGET begins with is
// meant, and the rest is the target.
LossOption with_names_of(const Graph& graph, LossOption option) {
  const std::string text = option.output + (option.target.empty() ? "" : ":" + option.target);
  size_t longest = 0;
  for (const ValueId id : graph.outputs) {
    const std::string& name = graph.value(id).name;
    const bool begins = text == name || text.starts_with(name + ":");
    if (!begins || name.size() <= longest) continue;
    longest = name.size();
    option.output = name;
    option.target = text == name ? "" : text.substr(longest + 1);
  }
  return option;
}

// The axis that classes lie on: 1, or the last one of [batch, sequence, classes].
int64_t class_axis(const Graph& graph, ValueId scores) {
  const auto rank = graph.value(scores).type.rank();
  if (rank < 2)
    throw Error("--loss: output '{}' is {}: a class axis is needed", graph.value(scores).name,
                to_string(graph.value(scores).type));
  return rank == 3 ? 2 : 1;
}

ValueId add_target(Graph& graph, AttachedLosses& attached, const LossOption& option, ValueId output,
                   TensorType type) {
  std::string name = option.target;
  if (name.empty())
    name = attached.targets.empty() ? "target" : "target_" + graph.value(output).name;
  // A model that takes its own targets already has this input.
  for (const ValueId id : graph.inputs)
    if (graph.value(id).name == name) {
      if (graph.value(id).type == type) return id;
      throw Error("--loss: target '{}' is {} but the loss needs {}", name,
                  to_string(graph.value(id).type), to_string(type));
    }
  const ValueId id = graph.add_input(name, std::move(type));
  attached.targets.push_back(id);
  return id;
}

// What an output was before its last node turned it into probabilities, or kNoValue. Losses are
// taken of that: where a probability rounds to 0 or 1 its logarithm tells nothing.
ValueId scores_before(const Graph& graph, ValueId output, std::string_view op) {
  const NodeId maker = graph.value(output).producer;
  if (maker == kNoNode || graph.node(maker).op != op) return kNoValue;
  return graph.node(maker).inputs[0];
}

ValueId add_class_loss(Graph& graph, AttachedLosses& attached, const LossOption& option,
                       ValueId output) {
  const int64_t axis = class_axis(graph, output);
  Shape shape = graph.value(output).type.shape;
  shape.erase(shape.begin() + axis);
  const int64_t count = element_count(shape);
  const ValueId target = add_target(graph, attached, option, output, {DType::i64, shape});
  const ValueId correct = graph.add("CorrectCount", {output, target},
                                    {{"axis", axis}, {"ignore_index", kIgnoredTarget}});
  attached.correct_counts.push_back(correct);
  if (!attached.counted_target) {
    attached.counted_target = target;
    attached.targets_per_microbatch = count;
  }
  const Attributes attributes = {
      {"axis", axis}, {"reduction", std::string("mean")}, {"ignore_index", kIgnoredTarget}};
  if (option.kind == "cross-entropy")
    return graph.add("SoftmaxCrossEntropy", {output, target}, attributes);
  const ValueId scores = scores_before(graph, output, "Softmax");
  if (scores != kNoValue &&
      graph.node(graph.value(output).producer).attributes.get_int("axis") == axis)
    return graph.add("SoftmaxCrossEntropy", {scores, target}, attributes);
  // The smallest normal float keeps log(0) finite.
  const ValueId positive = graph.add("Clip", {output}, {{"min", 1.1754944e-38}});
  return graph.add("NegativeLogLikelihood", {graph.add("Log", {positive}), target}, attributes);
}

ValueId add_pair_loss(Graph& graph, AttachedLosses& attached, const LossOption& option,
                      ValueId output) {
  const std::string op = option.kind == "mse"   ? "MeanSquaredError"
                         : option.kind == "bce" ? "BinaryCrossEntropy"
                                                : "BinaryCrossEntropyWithLogits";
  const ValueId target = add_target(graph, attached, option, output, graph.value(output).type);
  if (const ValueId scores = scores_before(graph, output, "Sigmoid");
      option.kind == "bce" && scores != kNoValue)
    return graph.add("BinaryCrossEntropyWithLogits", {scores, target},
                     {{"reduction", std::string("mean")}});
  return graph.add(op, {output, target}, {{"reduction", std::string("mean")}});
}

void check_scalar(const Graph& graph, ValueId output) {
  const TensorType& type = graph.value(output).type;
  if (type.dtype != DType::f32 || type.elements() != 1)
    throw Error("--loss: output '{}' is {}, not a scalar f32", graph.value(output).name,
                to_string(type));
}

// Without --loss: the outputs that loss operators make, or the only scalar.
std::vector<LossTerm> own_losses(const Graph& graph) {
  constexpr std::array<std::string_view, 2> kLossOps = {"SoftmaxCrossEntropy",
                                                        "NegativeLogLikelihood"};
  std::vector<LossTerm> made, scalars;
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    if (value.type.dtype != DType::f32 || value.type.elements() != 1) continue;
    scalars.push_back({.value = id});
    if (value.producer == kNoNode) continue;
    for (const auto op : kLossOps)
      if (graph.node(value.producer).op == op) made.push_back({.value = id});
  }
  if (!made.empty()) return made;
  if (scalars.size() == 1) return scalars;
  throw Error(
      "the model brings no loss of its own: give one with --loss (cross-entropy, nll, mse, bce, "
      "bce-logits, or output:NAME); outputs: {}",
      names_of(graph, graph.outputs));
}

}  // namespace

LossOption parse_loss(const std::string& text) {
  LossOption option;
  std::string rest = text;
  if (const auto star = rest.rfind('*'); star != std::string::npos) {
    const char* end = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(rest.data() + star + 1, end, option.weight);
    if (error != std::errc() || stop != end)
      throw Error("--loss {}: '{}' is no weight", text, rest.substr(star + 1));
    rest.resize(star);
  }
  const auto parts = split(rest, ':');
  option.kind = parts[0];
  if (std::find(kKinds.begin(), kKinds.end(), option.kind) == kKinds.end())
    throw Error("--loss: unknown kind '{}'; did you mean '{}'?", option.kind,
                nearest(option.kind, kKinds));
  if (parts.size() > 1) option.output = parts[1];
  // Names may hold colons themselves: what follows the second stays together.
  for (size_t i = 2; i < parts.size(); ++i) {
    if (i > 2) option.target += ':';
    option.target += parts[i];
  }
  return option;
}

AttachedLosses attach_losses(Graph& graph, const std::vector<std::string>& options) {
  AttachedLosses attached;
  if (graph.outputs.empty()) throw Error("the model has no outputs");
  if (options.empty()) {
    attached.terms = own_losses(graph);
    return attached;
  }
  for (const auto& text : options) {
    const LossOption option = with_names_of(graph, parse_loss(text));
    const ValueId output = find_output(graph, option.output);
    ValueId loss = output;
    if (option.kind == "output")
      check_scalar(graph, output);
    else if (option.kind == "cross-entropy" || option.kind == "nll")
      loss = add_class_loss(graph, attached, option, output);
    else
      loss = add_pair_loss(graph, attached, option, output);
    attached.terms.push_back({.value = loss, .weight = option.weight});
  }
  return attached;
}

}  // namespace headrace
