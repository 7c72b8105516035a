#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "graph/passes.h"

namespace headrace {

// A forward graph under rewriting. Rewrites look at a node and what stands before it and put
// another node in its place; nodes that nothing reads any more vanish at once, so that the counts
// of readers are always those of the graph as it is.
class Rewriter {
 public:
  explicit Rewriter(ForwardGraph forward);

  const Graph& graph() const { return forward_.graph; }
  const Node& node(NodeId id) const { return forward_.graph.node(id); }
  const TensorType& type(ValueId id) const { return forward_.graph.value(id).type; }
  bool is_erased(NodeId id) const { return node(id).outputs.empty(); }

  // The node that makes `value` as its first output, if its operator is `op`; else kNoNode or null.
  NodeId maker_id(ValueId value, std::string_view op) const;
  const Node* maker(ValueId value, std::string_view op) const;
  // Read by exactly one node, and neither a model output nor a state's replacement.
  bool is_private(ValueId value) const;
  const std::vector<NodeId>& readers(ValueId value) const { return readers_[index(value)]; }
  // The number in a constant float tensor of one element.
  std::optional<double> number(ValueId value) const;

  ValueId add_constant(std::string name, HostTensor data);
  // A further output for a node that is about to be put in place.
  ValueId add_output(std::string name, TensorType type);
  // Puts a node at the place of another. Its inputs are made before that place.
  void replace(NodeId place, Node node);
  void erase(NodeId id);
  // Lets `same`, which is equal, take the place of the only output of `id` and erases the node.
  // False when both names must survive.
  bool bypass(NodeId id, ValueId same);

  // The graph without the erased nodes.
  ForwardGraph finish();

 private:
  bool is_kept(ValueId value) const { return kept_[index(value)]; }
  void link(NodeId id);
  std::vector<ValueId> unlink(NodeId id);          // gives what the node read
  void sweep(const std::vector<ValueId>& values);  // erases the makers of unread ones
  void read_instead(ValueId from, ValueId to);

  ForwardGraph forward_;
  std::vector<std::vector<NodeId>> readers_;
  std::vector<bool> kept_;
};

}  // namespace headrace
