#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/scalar.h"

namespace headrace {

// Small graphs in few words. Weights and constants hold zeros unless said otherwise.
class Build {
 public:
  ValueId input(const std::string& name, Shape shape, DType dtype = DType::f32) {
    return graph.add_input(name, {dtype, std::move(shape)});
  }
  ValueId parameter(const std::string& name, Shape shape) {
    return graph.add_parameter(name, zeros({DType::f32, std::move(shape)}));
  }
  ValueId state(const std::string& name, Shape shape) {
    return graph.add_state(name, zeros({DType::f32, std::move(shape)}));
  }
  ValueId number(double value) {
    return graph.add_constant("number", scalar_of(DType::f32, value));
  }
  template <typename T>
  ValueId constant(Shape shape, const std::vector<T>& values) {
    auto [tensor, bytes] = allocate_host_tensor({dtype_of<T>(), std::move(shape)});
    for (size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(bytes)[i] = values[i];
    return graph.add_constant("constant", tensor);
  }
  ValueId operator()(const std::string& op, std::vector<ValueId> inputs,
                     Attributes attributes = {}) {
    return graph.add(op, std::move(inputs), std::move(attributes));
  }
  std::vector<ValueId> all(const std::string& op, std::vector<ValueId> inputs,
                           Attributes attributes = {}) {
    const NodeId id = graph.add_node({.op = op,
                                      .name = "",
                                      .inputs = std::move(inputs),
                                      .outputs = {},
                                      .attributes = std::move(attributes)});
    return graph.node(id).outputs;
  }
  const TensorType& type(ValueId id) const { return graph.value(id).type; }

  Graph graph;

 private:
  static HostTensor zeros(TensorType type) {
    auto [tensor, bytes] = allocate_host_tensor(std::move(type));
    std::fill(bytes, bytes + tensor.type.bytes(), std::byte{0});
    return tensor;
  }
};

inline std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.push_back(node.op);
  return names;
}

// "MatMul I", "ReduceSum W", ... of the nodes behind the forward ones.
inline std::vector<std::string> backward_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes())
    if (node.phase != Phase::forward) names.push_back(node.op + " " + letter(node.phase));
  return names;
}

inline const Node& only(const Graph& graph, const std::string& op) {
  const Node* found = nullptr;
  for (const Node& node : graph.nodes()) {
    if (node.op != op) continue;
    HEADRACE_CHECK(found == nullptr, "two nodes are {}", op);
    found = &node;
  }
  HEADRACE_CHECK(found != nullptr, "no node is {}", op);
  return *found;
}

}  // namespace headrace
