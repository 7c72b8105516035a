#include "graph/error.h"
#include "graph/op_def.h"
#include "loader/import/dimensions.h"
#include "loader/import/importer.h"
#include "loader/import/refusal.h"
#include "loader/model.h"
#include "loader/onnx/model_source.h"

namespace headrace {
namespace {

void count_operators(const onnx::GraphProto& graph, Inspection& inspection) {
  for (const auto& node : graph.node()) {
    ++inspection.nodes;
    ++inspection.operators[operator_name(node)];
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) count_operators(attribute.g(), inspection);
  }
}

// Without shapes only the operators' names can be judged.
void judge_by_name(const onnx::GraphProto& graph, Inspection& inspection) {
  for (const auto& node : graph.node()) {
    if (std::string why = refusal_by_name(node); !why.empty())
      inspection.unsupported.push_back(
          {.op = node.op_type(),
           .domain = is_default_domain(node.domain()) ? "ai.onnx" : node.domain(),
           .node = node.name(),
           .why = std::move(why)});
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) judge_by_name(attribute.g(), inspection);
  }
}

std::string describe(const WeightPlace& place) {
  std::string text = place.holder == Holder::constant             ? "Constant node"
                     : place.holder == Holder::constant_of_shape  ? "ConstantOfShape node"
                     : place.holder == Holder::sparse_initializer ? "sparse initializer"
                                                                  : "initializer";
  if (place.copy) text = fmt::format("copy of {} '{}'", text, place.name);
  for (const auto& [output, attribute] : place.graph)
    text += fmt::format(" in {} of '{}'", attribute, output);
  return text;
}

}  // namespace

Inspection inspect_model(const std::string& path, const LoadOptions& options) {
  const auto source = read_model(path);
  const auto& proto = *source->imported();
  Inspection inspection{.opset = opset_version(proto), .ir_version = proto.ir_version()};
  inspection.producer = proto.producer_name();
  if (!proto.producer_version().empty()) inspection.producer += " " + proto.producer_version();
  count_operators(proto.graph(), inspection);

  // A batch that nobody asked for counts as one sample.
  LoadOptions assumed = options;
  BoundDimensions bound = bind_dimensions(proto.graph(), assumed);
  if (!bound.unbound.empty() && !options.batch) {
    assumed.batch = 1;
    bound = bind_dimensions(proto.graph(), assumed);
  }
  const bool complete = bound.unbound.empty();
  if (!complete) judge_by_name(proto.graph(), inspection);
  // Dimensions still open are taken as 1 to count the weights; what is refused for it says nothing.
  if (!complete) {
    for (const std::string& name : bound.unbound) assumed.bind[name] = 1;
    bound = bind_dimensions(proto.graph(), assumed);
  }
  ImportResult result = import_model(*source, bound.shapes, assumed);
  if (complete) inspection.unsupported = std::move(result.unsupported);
  inspection.parameters = result.float_elements;
  inspection.notes = source->notes;
  for (std::string& note : result.notes) inspection.notes.push_back(std::move(note));
  for (const Value& value : result.forward.graph.values())
    if (value.role == Role::parameter) {
      inspection.trainable += value.type.elements();
      const auto place = source->places.find(value.name);
      if (place != source->places.end())
        inspection.trainable_tensors.push_back(
            {value.name, place->second.type, describe(place->second)});
    }
  if (complete && inspection.unsupported.empty())
    for (const Node& node : result.forward.graph.nodes())
      inspection.flops += node_cost(result.forward.graph, node).flops;
  return inspection;
}

}  // namespace headrace
