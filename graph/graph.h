#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/attributes.h"
#include "graph/host_tensor.h"
#include "graph/tensor_type.h"

namespace headrace {

enum class ValueId : int32_t {};
enum class NodeId : int32_t {};
inline constexpr ValueId kNoValue{-1};  // an optional input or output that is left out
inline constexpr NodeId kNoNode{-1};
constexpr size_t index(ValueId id) { return static_cast<size_t>(id); }
constexpr size_t index(NodeId id) { return static_cast<size_t>(id); }

// F, I (gradient of inputs), W (gradient of weights), U (update).
enum class Phase : uint8_t { forward, backward_input, backward_weight, update };
constexpr char letter(Phase phase) { return "FIWU"[static_cast<int>(phase)]; }

// How a value lies in memory. Id 0 is row-major; the others are named by the backend that chose
// them and mean nothing to the graph, save that `bytes` is what such a value occupies.
struct Layout {
  uint16_t id = 0;
  int64_t bytes = 0;  // only for id != 0
  bool operator==(const Layout&) const = default;
};

enum class Role : uint8_t {
  computed,   // made by `producer`
  input,      // fed for each micro-batch
  parameter,  // trainable
  state,  // not trainable, replaced by a computed value in each micro-batch (running statistics)
  constant,
};

struct Value {
  std::string name;
  TensorType type;
  Role role = Role::computed;
  NodeId producer = kNoNode;
  HostTensor data = {};  // contents of a constant; first contents of a parameter or state
  Layout layout = {};

  int64_t bytes() const { return layout.id == 0 ? type.bytes() : layout.bytes; }
};

struct Node {
  std::string op;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs = {};
  Attributes attributes;
  Phase phase = Phase::forward;
  NodeId origin = kNoNode;   // backward: the forward node that it differentiates and stays with
  NodeId repeats = kNoNode;  // backward: the forward node that it runs once more (recompute.h)
};

// Values and nodes are held by index and never removed one by one: a pass that drops or reorders
// builds a new graph. Nodes stand in an order in which every value is made before it is read.
class Graph {
 public:
  ValueId add_value(Value value);
  ValueId add_input(std::string name, TensorType type);
  ValueId add_parameter(std::string name, HostTensor data);
  ValueId add_state(std::string name, HostTensor data);
  ValueId add_constant(std::string name, HostTensor data);

  // Infers the outputs' types by the operator's rule and adds them; `output_names` may be shorter
  // than the operator's list of outputs: the rest are named after the node. Throws Error naming the
  // node when an operator is unknown or the shapes do not fit.
  NodeId add_node(Node node, std::vector<std::string> output_names = {});
  // A node whose outputs are values of this graph already (kNoValue where one is left out): for
  // passes that rebuild a graph. Makes the node their producer.
  NodeId adopt_node(Node node);
  // add_node for an operator with one output that matters.
  ValueId add(std::string op, std::vector<ValueId> inputs, Attributes attributes = {},
              Phase phase = Phase::forward, NodeId origin = kNoNode, std::string name = {});

  const Value& value(ValueId id) const { return values_[index(id)]; }
  Value& value(ValueId id) { return values_[index(id)]; }
  const Node& node(NodeId id) const { return nodes_[index(id)]; }
  Node& node(NodeId id) { return nodes_[index(id)]; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }

  std::vector<TensorType> types(
      const std::vector<ValueId>& ids) const;  // of kNoValue: empty f32[0]
  std::optional<ValueId> find(std::string_view value_name) const;
  // For each value the nodes that read it, in order, once per node.
  std::vector<std::vector<NodeId>> consumers() const;

  std::vector<ValueId> inputs;   // in the model's order
  std::vector<ValueId> outputs;  // in the model's order

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
};

// For each value the one whose memory it shares: the start of its chain of Reshape, or itself.
std::vector<ValueId> storage_roots(const Graph& graph);

// "%12 x.3 = MatMul(%3, %4) {transpose_b=1} : f32[8, 64]  [F]", a line per node.
std::string to_string(const Graph& graph);
std::string describe(const Graph& graph, const Node& node);

}  // namespace headrace
