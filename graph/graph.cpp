#include "graph/graph.h"

#include <algorithm>
#include <variant>

#include "graph/error.h"
#include "graph/op_def.h"

namespace headrace {
namespace {

std::string value_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  return fmt::format("%{} {}", static_cast<int32_t>(id), graph.value(id).name);
}

// Small enough that sums of dimensions, pads and the like do not overflow.
constexpr int64_t kLargestDimension = int64_t{1} << 48;

// These throw Error for what no memory can hold, which a file may well declare.
void check_size(const TensorType& type) {
  element_count(type.shape);
  for (const int64_t dim : type.shape)
    if (dim > kLargestDimension)
      throw Error("shape {} has a dimension beyond all measure", to_string(type.shape));
}
void check_attributes(const Attributes& attributes) {
  for (const auto& [name, attribute] : attributes.items()) {
    const auto* list = std::get_if<std::vector<int64_t>>(&attribute);
    if (list == nullptr) continue;
    for (const int64_t entry : *list)
      if (entry > kLargestDimension || entry < -kLargestDimension)
        throw Error("{} {} are beyond all measure", name, to_string(*list));
  }
}

}  // namespace

ValueId Graph::add_value(Value value) {
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_input(std::string name, TensorType type) {
  check_size(type);
  const ValueId id =
      add_value({.name = std::move(name), .type = std::move(type), .role = Role::input});
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_parameter(std::string name, HostTensor data) {
  TensorType type = data.type;
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .role = Role::parameter,
                    .data = std::move(data)});
}

ValueId Graph::add_state(std::string name, HostTensor data) {
  TensorType type = data.type;
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .role = Role::state,
                    .data = std::move(data)});
}

ValueId Graph::add_constant(std::string name, HostTensor data) {
  TensorType type = data.type;
  return add_value({.name = std::move(name),
                    .type = std::move(type),
                    .role = Role::constant,
                    .data = std::move(data)});
}

NodeId Graph::add_node(Node node, std::vector<std::string> output_names) {
  const auto id = static_cast<NodeId>(nodes_.size());
  if (node.name.empty()) node.name = fmt::format("{}_{}", node.op, nodes_.size());
  std::vector<TensorType> output_types;
  try {
    check_attributes(node.attributes);
    const auto input_types = types(node.inputs);
    output_types = get_op(node.op).infer(node, input_types);
    for (const TensorType& type : output_types) check_size(type);
  } catch (const Error& error) {
    throw Error("node '{}' ({}): {}", node.name, node.op, error.what());
  }
  node.outputs.clear();
  for (size_t i = 0; i < output_types.size(); ++i) {
    std::string name = i < output_names.size() && !output_names[i].empty()
                           ? output_names[i]
                           : (i == 0 ? node.name : fmt::format("{}:{}", node.name, i));
    node.outputs.push_back(
        add_value({.name = std::move(name), .type = std::move(output_types[i]), .producer = id}));
  }
  nodes_.push_back(std::move(node));
  return id;
}

NodeId Graph::adopt_node(Node node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (const ValueId output : node.outputs)
    if (output != kNoValue) value(output).producer = id;
  nodes_.push_back(std::move(node));
  return id;
}

ValueId Graph::add(std::string op, std::vector<ValueId> inputs, Attributes attributes, Phase phase,
                   NodeId origin, std::string name) {
  const NodeId id = add_node({.op = std::move(op),
                              .name = std::move(name),
                              .inputs = std::move(inputs),
                              .outputs = {},
                              .attributes = std::move(attributes),
                              .phase = phase,
                              .origin = origin});
  return node(id).outputs.at(0);
}

std::vector<TensorType> Graph::types(const std::vector<ValueId>& ids) const {
  std::vector<TensorType> result;
  result.reserve(ids.size());
  for (const ValueId id : ids)
    result.push_back(id == kNoValue ? TensorType{DType::f32, {0}} : value(id).type);
  return result;
}

std::optional<ValueId> Graph::find(std::string_view value_name) const {
  const auto it = std::find_if(values_.begin(), values_.end(),
                               [&](const Value& v) { return v.name == value_name; });
  if (it == values_.end()) return std::nullopt;
  return static_cast<ValueId>(it - values_.begin());
}

std::vector<std::vector<NodeId>> Graph::consumers() const {
  std::vector<std::vector<NodeId>> readers(values_.size());
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (const ValueId input : nodes_[n].inputs) {
      if (input == kNoValue) continue;
      auto& list = readers[index(input)];
      const auto id = static_cast<NodeId>(n);
      if (list.empty() || list.back() != id) list.push_back(id);
    }
  }
  return readers;
}

std::vector<ValueId> storage_roots(const Graph& graph) {
  std::vector<ValueId> root(graph.values().size());
  for (size_t v = 0; v < root.size(); ++v) root[v] = static_cast<ValueId>(v);
  for (const Node& node : graph.nodes())
    if (node.op == "Reshape") root[index(node.outputs[0])] = root[index(node.inputs[0])];
  return root;
}

std::string describe(const Graph& graph, const Node& node) {
  std::string outputs, inputs;
  for (const ValueId id : node.outputs)
    outputs += fmt::format("{}{}", outputs.empty() ? "" : ", ", value_text(graph, id));
  for (const ValueId id : node.inputs)
    inputs += fmt::format("{}{}", inputs.empty() ? "" : ", ",
                          id == kNoValue ? "-" : fmt::format("%{}", static_cast<int32_t>(id)));
  const auto attributes = to_string(node.attributes);
  const ValueId first = node.outputs.empty() ? kNoValue : node.outputs[0];
  return fmt::format("{} = {}({}){} : {}  [{}]", outputs, node.op, inputs,
                     attributes.empty() ? "" : fmt::format(" {{{}}}", attributes),
                     first == kNoValue ? "-" : to_string(graph.value(first).type),
                     letter(node.phase));
}

std::string to_string(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes()) text += describe(graph, node) + "\n";
  return text;
}

}  // namespace headrace
