#include "loader/import/folding.h"
#include "loader/onnx/size_limit.h"

#include <algorithm>

namespace headrace {
namespace {

HostTensor& known(std::vector<HostTensor>& contents, const Graph& graph, ValueId id) {
  HostTensor& tensor = contents[index(id)];
  if (!tensor) tensor = graph.value(id).data;
  return tensor;
}

Operand as_constant(const Operand& operand, std::vector<HostTensor>& contents, const Graph& graph) {
  if (operand.kind == Operand::Kind::computed)
    return constant_operand(known(contents, graph, operand.value));
  if (operand.kind != Operand::Kind::sequence) return operand;
  std::vector<Operand> items;
  for (const Operand& item : *operand.items) items.push_back(as_constant(item, contents, graph));
  return {.kind = Operand::Kind::sequence,
          .items = std::make_shared<const std::vector<Operand>>(std::move(items))};
}

bool is_known(const Operand& operand) {
  using Kind = Operand::Kind;
  if (operand.kind == Kind::sequence)
    return std::all_of(operand.items->begin(), operand.items->end(), is_known);
  return operand.kind == Kind::constant || operand.kind == Kind::absent;
}

}  // namespace

bool has_subgraph(const onnx::NodeProto& node) {
  return std::any_of(node.attribute().begin(), node.attribute().end(),
                     [](const onnx::AttributeProto& attribute) { return attribute.has_g(); });
}

bool can_fold(const onnx::NodeProto& node, const std::vector<Operand>& inputs) {
  static constexpr std::string_view kOfTheRun[] = {"Dropout", "BatchNormalization", "Bernoulli",
                                                   "Multinomial"};
  return !inputs.empty() && std::ranges::find(kOfTheRun, node.op_type()) == std::end(kOfTheRun) &&
         !node.op_type().starts_with("Random") && !has_subgraph(node) &&
         std::all_of(inputs.begin(), inputs.end(), is_known);
}

std::vector<Operand> fold(const ImportRule& rule, const ImportedNode& node,
                          const ImportTarget& like, std::vector<Operand> inputs,
                          const EvaluateNode& evaluate) {
  Graph graph;
  ImportTarget target{
      .graph = &graph, .weights = nullptr, .training = like.training, .types = like.types};
  ImportContext context(target, node, std::move(inputs));
  rule.apply(context);

  std::vector<HostTensor> contents(graph.values().size());
  for (const Node& step : graph.nodes()) {
    std::vector<HostTensor> arguments;
    for (const ValueId id : step.inputs)
      arguments.push_back(id == kNoValue ? HostTensor{} : known(contents, graph, id));
    for (const ValueId id : step.outputs)
      if (graph.value(id).type.bytes() > kLargestConstant)
        throw Unsupported("a constant of type {} would take {} bytes",
                          to_string(graph.value(id).type), graph.value(id).type.bytes());
    auto results = evaluate(step, arguments);
    for (size_t i = 0; i < step.outputs.size() && i < results.size(); ++i)
      contents[index(step.outputs[i])] = std::move(results[i]);
  }
  std::vector<Operand> outputs = context.take_outputs();
  for (Operand& output : outputs) output = as_constant(output, contents, graph);
  return outputs;
}

}  // namespace headrace
