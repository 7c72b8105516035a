#pragma once

#include <onnx/onnx_pb.h>

#include <type_traits>

namespace headrace {

// A sparse tensor is two dense ones.
template <typename Sparse, typename Visit>
void visit_parts(Sparse& sparse, const Visit& visit) {
  if constexpr (std::is_const_v<Sparse>) {
    visit(sparse.values());
    visit(sparse.indices());
  } else {
    visit(*sparse.mutable_values());
    visit(*sparse.mutable_indices());
  }
}

// Visits every tensor of a graph, const or not: initializers and attributes, also those of
// subgraphs.
template <typename Graph, typename Visit>
requires std::is_same_v<std::remove_const_t<Graph>, onnx::GraphProto>
void for_each_tensor(Graph& graph, const Visit& visit) {
  if constexpr (std::is_const_v<Graph>) {
    for (const auto& tensor : graph.initializer()) visit(tensor);
    for (const auto& sparse : graph.sparse_initializer()) visit_parts(sparse, visit);
    for (const auto& node : graph.node()) {
      for (const auto& attribute : node.attribute()) {
        if (attribute.has_t()) visit(attribute.t());
        if (attribute.has_sparse_tensor()) visit_parts(attribute.sparse_tensor(), visit);
        if (attribute.has_g()) for_each_tensor(attribute.g(), visit);
      }
    }
  } else {
    for (auto& tensor : *graph.mutable_initializer()) visit(tensor);
    for (auto& sparse : *graph.mutable_sparse_initializer()) visit_parts(sparse, visit);
    for (auto& node : *graph.mutable_node()) {
      for (auto& attribute : *node.mutable_attribute()) {
        if (attribute.has_t()) visit(*attribute.mutable_t());
        if (attribute.has_sparse_tensor()) visit_parts(*attribute.mutable_sparse_tensor(), visit);
        if (attribute.has_g()) for_each_tensor(*attribute.mutable_g(), visit);
      }
    }
  }
}

// Of the main graph and of the training steps that the model describes.
template <typename Model, typename Visit>
requires std::is_same_v<std::remove_const_t<Model>, onnx::ModelProto>
void for_each_tensor(Model& model, const Visit& visit) {
  if constexpr (std::is_const_v<Model>) {
    for_each_tensor(model.graph(), visit);
    for (const auto& info : model.training_info()) {
      for_each_tensor(info.initialization(), visit);
      for_each_tensor(info.algorithm(), visit);
    }
  } else {
    for_each_tensor(*model.mutable_graph(), visit);
    for (auto& info : *model.mutable_training_info()) {
      if (info.has_initialization()) for_each_tensor(*info.mutable_initialization(), visit);
      if (info.has_algorithm()) for_each_tensor(*info.mutable_algorithm(), visit);
    }
  }
}

inline bool is_external(const onnx::TensorProto& tensor) {
  return tensor.data_location() == onnx::TensorProto::EXTERNAL;
}

// The value of an external tensor's entry ("location", "offset", "length"), "" when it has none.
inline std::string external_entry(const onnx::TensorProto& tensor, const char* key) {
  for (const auto& entry : tensor.external_data())
    if (entry.key() == key) return entry.value();
  return {};
}

}  // namespace headrace
