#include "loader/onnx/rewrite.h"

#include <algorithm>
#include <set>

#include "graph/error.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

// These look and change nothing, so that read-only callers may cast a const model to them.
NodeProto* find_node(GraphProto& graph, const std::string& output) {
  for (NodeProto& node : *graph.mutable_node())
    if (std::find(node.output().begin(), node.output().end(), output) != node.output().end())
      return &node;
  return nullptr;
}

GraphProto* find_graph(ModelProto& model, const GraphPath& path) {
  GraphProto* graph = model.mutable_graph();
  for (const auto& [output, branch] : path) {
    NodeProto* node = find_node(*graph, output);
    if (node == nullptr) return nullptr;
    graph = nullptr;
    for (auto& attribute : *node->mutable_attribute())
      if (attribute.name() == branch && attribute.has_g()) graph = attribute.mutable_g();
    if (graph == nullptr) return nullptr;
  }
  return graph;
}

TensorProto* find_tensor(ModelProto& model, const WeightPlace& place) {
  GraphProto* graph = find_graph(model, place.graph);
  if (graph == nullptr) return nullptr;
  if (place.constant_node) {
    NodeProto* node = find_node(*graph, place.name);
    if (node == nullptr || node->op_type() != "Constant") return nullptr;
    for (auto& attribute : *node->mutable_attribute())
      if (attribute.name() == "value" && attribute.has_t()) return attribute.mutable_t();
    return nullptr;
  }
  for (TensorProto& tensor : *graph->mutable_initializer())
    if (tensor.name() == place.name) return &tensor;
  if (!place.graph.empty()) return nullptr;
  for (auto& info : *model.mutable_training_info())
    if (info.has_algorithm())
      for (TensorProto& tensor : *info.mutable_algorithm()->mutable_initializer())
        if (tensor.name() == place.name) return &tensor;
  return nullptr;
}

NodeProto* find_reader(ModelProto& model, const WeightUse& use) {
  GraphProto* graph = find_graph(model, use.graph);
  NodeProto* node = graph == nullptr ? nullptr : find_node(*graph, use.node);
  return node != nullptr && use.input < node->input_size() ? node : nullptr;
}

void rename_reads(GraphProto& graph, const std::string& from, const std::string& to,
                  const std::set<const NodeProto*>& except) {
  for (NodeProto& node : *graph.mutable_node()) {
    for (std::string& input : *node.mutable_input())
      if (input == from && except.count(&node) == 0) input = to;
    for (auto& attribute : *node.mutable_attribute())
      if (attribute.has_g()) rename_reads(*attribute.mutable_g(), from, to, except);
  }
  for (auto& output : *graph.mutable_output())
    HEADRACE_CHECK(output.name() != from, "'{}' is an output", from);
}

// Takes out the Identity node that made `alias`; those who read it and are not the copy's go back
// to what it was a name for.
void remove_alias(ModelProto& model, const WeightPlace& place) {
  GraphProto& graph = *model.mutable_graph();
  std::set<const NodeProto*> readers;
  for (const WeightUse& use : place.uses) readers.insert(find_reader(model, use));
  NodeProto* identity = find_node(graph, place.alias);
  const std::string root = identity->input(0);
  rename_reads(graph, place.alias, root, readers);
  auto& nodes = *graph.mutable_node();
  const auto it = std::find_if(nodes.begin(), nodes.end(),
                               [&](const NodeProto& node) { return &node == identity; });
  nodes.erase(it);
}

void add_copy(ModelProto& model, const std::string& name, const WeightPlace& place,
              const HostTensor& data) {
  if (!place.alias.empty()) {
    remove_alias(model, place);
  } else {
    for (const WeightUse& use : place.uses) find_reader(model, use)->set_input(use.input, name);
  }
  TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  write_tensor(data, tensor);
  if (model.ir_version() >= 4) return;
  auto& input = *model.mutable_graph()->add_input();
  input.set_name(name);
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx_of_dtype(data.type.dtype));
  for (const int64_t dim : data.type.shape) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

}  // namespace

bool has_places(const ModelProto& model, const std::map<std::string, WeightPlace>& places) {
  auto& searched = const_cast<ModelProto&>(model);
  return std::all_of(places.begin(), places.end(), [&](const auto& item) {
    const WeightPlace& place = item.second;
    if (find_tensor(searched, place) == nullptr) return false;
    if (!place.alias.empty() && find_node(*searched.mutable_graph(), place.alias) == nullptr)
      return false;
    return std::all_of(place.uses.begin(), place.uses.end(),
                       [&](const WeightUse& use) { return find_reader(searched, use) != nullptr; });
  });
}

HostTensor read_place(const ModelProto& model, const WeightPlace& place, ExternalData& external) {
  const TensorProto* tensor = find_tensor(const_cast<ModelProto&>(model), place);
  HEADRACE_CHECK(tensor != nullptr, "weight '{}' is not in the file", place.name);
  return read_tensor(*tensor, nullptr, external);
}

void replace_weights(ModelProto& model, const std::map<std::string, WeightPlace>& places,
                     const std::map<std::string, HostTensor>& weights) {
  std::map<std::string, const HostTensor*> copies;
  for (const auto& [name, data] : weights) {
    const auto place = places.find(name);
    if (place == places.end()) throw Error("the model has no weight '{}' to be written", name);
    TensorProto* tensor = find_tensor(model, place->second);
    HEADRACE_CHECK(tensor != nullptr, "weight '{}' is not in the file", name);
    const Shape shape(tensor->dims().begin(), tensor->dims().end());
    if (data.type.shape != shape || onnx_of_dtype(data.type.dtype) != tensor->data_type())
      throw Error("weight '{}' is {} {} in the model, not {}", name,
                  onnx_type_name(tensor->data_type()), to_string(shape), to_string(data.type));
    if (place->second.copy) {
      copies[name] = &data;
    } else {
      write_tensor(data, *tensor);
    }
  }
  // Readers are found by what they read until the last copy is placed.
  for (const auto& [name, data] : copies) add_copy(model, name, places.at(name), *data);
}

}  // namespace headrace
