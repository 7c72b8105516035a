#include "graph/passes.h"

namespace headrace {

Graph without_nodes(const Graph& graph) {
  Graph result;
  for (Value value : graph.values()) {
    value.producer = kNoNode;
    result.add_value(std::move(value));
  }
  result.inputs = graph.inputs;
  result.outputs = graph.outputs;
  return result;
}

Graph drop_dead(const Graph& graph, std::span<const ValueId> roots, std::vector<ValueId>* remap,
                std::vector<NodeId>* remap_nodes) {
  std::vector<bool> value_lives(graph.values().size(), false);
  std::vector<bool> node_lives(graph.nodes().size(), false);
  const auto keep = [&](ValueId id) {
    if (id != kNoValue) value_lives[index(id)] = true;
  };
  for (const ValueId root : roots) keep(root);
  for (const ValueId input : graph.inputs) keep(input);  // what the caller feeds stays fed
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    for (const ValueId output : node.outputs)
      node_lives[n] = node_lives[n] || (output != kNoValue && value_lives[index(output)]);
    if (!node_lives[n]) continue;
    for (const ValueId id : node.inputs) keep(id);
    for (const ValueId id : node.outputs) keep(id);
  }

  Graph result;
  std::vector<ValueId> new_value(graph.values().size(), kNoValue);
  std::vector<NodeId> new_node(graph.nodes().size(), kNoNode);
  const auto renumber = [&](std::vector<ValueId> ids) {
    for (ValueId& id : ids)
      if (id != kNoValue) id = new_value[index(id)];
    return ids;
  };
  for (size_t v = 0; v < value_lives.size(); ++v)
    if (value_lives[v]) new_value[v] = result.add_value(graph.values()[v]);
  for (size_t n = 0; n < node_lives.size(); ++n) {
    if (!node_lives[n]) continue;
    Node node = graph.nodes()[n];
    node.inputs = renumber(std::move(node.inputs));
    node.outputs = renumber(std::move(node.outputs));
    if (node.origin != kNoNode) node.origin = new_node[index(node.origin)];
    new_node[n] = result.adopt_node(std::move(node));
  }
  result.inputs = renumber(graph.inputs);
  for (const ValueId output : graph.outputs)
    if (value_lives[index(output)]) result.outputs.push_back(new_value[index(output)]);
  if (remap != nullptr) *remap = std::move(new_value);
  if (remap_nodes != nullptr) *remap_nodes = std::move(new_node);
  return result;
}

}  // namespace headrace
