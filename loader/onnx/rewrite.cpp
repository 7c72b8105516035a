#include "loader/onnx/rewrite.h"

#include <algorithm>
#include <set>

#include "graph/error.h"
#include "loader/onnx/float_kinds.h"
#include "loader/onnx/stored_tensor.h"
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

// What holds a tensor; no more than one of the pointers is set.
struct Found {
  GraphProto* graph = nullptr;
  TensorProto* initializer = nullptr;
  onnx::SparseTensorProto* sparse = nullptr;
  NodeProto* node = nullptr;

  explicit operator bool() const { return initializer || sparse || node; }
};

Found find_holder(ModelProto& model, const WeightPlace& place) {
  Found found{.graph = find_graph(model, place.graph)};
  if (found.graph == nullptr) return found;
  if (place.holder == Holder::initializer) {
    for (TensorProto& tensor : *found.graph->mutable_initializer())
      if (tensor.name() == place.name) found.initializer = &tensor;
  } else if (place.holder == Holder::sparse_initializer) {
    for (auto& sparse : *found.graph->mutable_sparse_initializer())
      if (sparse.values().name() == place.name) found.sparse = &sparse;
  } else {
    NodeProto* node = find_node(*found.graph, place.name);
    const char* op = place.holder == Holder::constant ? "Constant" : "ConstantOfShape";
    if (node != nullptr && node->op_type() == op) found.node = node;
  }
  if (found || !place.graph.empty() || place.holder != Holder::initializer) return found;
  for (auto& info : *model.mutable_training_info())
    if (info.has_algorithm())
      for (TensorProto& tensor : *info.mutable_algorithm()->mutable_initializer())
        if (tensor.name() == place.name) found.initializer = &tensor;
  return found;
}

// The node becomes, if it is not yet, a Constant that holds the tensor.
void write_constant(const HostTensor& data, NodeProto& node) {
  for (auto& attribute : *node.mutable_attribute())
    if (node.op_type() == "Constant" && attribute.name() == "value" && attribute.has_t())
      return write_tensor(data, *attribute.mutable_t());
  node.set_op_type("Constant");
  node.clear_input();
  node.clear_attribute();
  auto& attribute = *node.add_attribute();
  attribute.set_name("value");
  attribute.set_type(onnx::AttributeProto::TENSOR);
  write_tensor(data, *attribute.mutable_t());
}

void write_holder(const HostTensor& data, const Found& found, const std::string& name) {
  if (found.initializer != nullptr) return write_tensor(data, *found.initializer);
  if (found.node != nullptr) return write_constant(data, *found.node);
  auto& sparse = *found.graph->mutable_sparse_initializer();
  sparse.erase(std::find_if(sparse.begin(), sparse.end(),
                            [&](const auto& entry) { return &entry == found.sparse; }));
  TensorProto& dense = *found.graph->add_initializer();
  dense.set_name(name);
  write_tensor(data, dense);
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
    if (!find_holder(searched, place)) return false;
    if (!place.alias.empty() && find_node(*searched.mutable_graph(), place.alias) == nullptr)
      return false;
    return std::all_of(place.uses.begin(), place.uses.end(),
                       [&](const WeightUse& use) { return find_reader(searched, use) != nullptr; });
  });
}

HostTensor read_place(const ModelProto& model, const WeightPlace& place, ExternalData& external) {
  const Found found = find_holder(const_cast<ModelProto&>(model), place);
  HEADRACE_CHECK(found, "weight '{}' is not in the file", place.name);
  if (found.initializer != nullptr) return read_tensor(*found.initializer, nullptr, external);
  if (found.sparse != nullptr) return read_sparse(*found.sparse, external);
  if (place.holder == Holder::constant_of_shape) return read_filled(*found.node, place.type.shape);
  return *read_constant(*found.node, nullptr, external);
}

void replace_weights(ModelProto& model, const std::map<std::string, WeightPlace>& places,
                     const std::map<std::string, HostTensor>& weights) {
  std::map<std::string, HostTensor> copies;
  for (const auto& [name, data] : weights) {
    const auto place = places.find(name);
    if (place == places.end()) throw Error("the model has no weight '{}' to be written", name);
    const Found found = find_holder(model, place->second);
    HEADRACE_CHECK(found, "weight '{}' is not in the file", name);
    const TensorType& type = place->second.type;
    if (data.type.shape != type.shape ||
        !(data.type.dtype == type.dtype || widens(type.dtype, data.type.dtype)))
      throw Error("weight '{}' is {} in the model, not {}", name, to_string(type),
                  to_string(data.type));
    if (place->second.copy) {
      copies[name] = converted(data, type.dtype);
    } else {
      write_holder(converted(data, type.dtype), found, place->second.name);
    }
  }
  // Readers are found by what they read until the last copy is placed.
  for (const auto& [name, data] : copies) add_copy(model, name, places.at(name), data);
}

}  // namespace headrace
