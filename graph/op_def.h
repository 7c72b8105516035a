#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// What one execution of a node takes: floating-point operations and bytes read plus written.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

// What an operator's gradient rule sees: one forward node whose outputs have gradients. Rules emit
// ordinary nodes through `emit`; their phase is settled afterwards by what they lead to.
class GradContext {
 public:
  GradContext(Graph& graph, NodeId node, std::vector<ValueId> output_grads,
              std::vector<bool> needed)
      : graph_(graph),
        node_(node),
        output_grads_(std::move(output_grads)),
        needed_(std::move(needed)) {}

  Graph& graph() { return graph_; }
  const Node& node() const { return graph_.node(node_); }
  const Attributes& attributes() const { return node().attributes; }
  size_t input_count() const { return node().inputs.size(); }
  ValueId input(size_t i) const { return i < node().inputs.size() ? node().inputs[i] : kNoValue; }
  ValueId output(size_t i) const {
    return i < node().outputs.size() ? node().outputs[i] : kNoValue;
  }
  // kNoValue where nothing downstream depends on this output.
  ValueId output_grad(size_t i) const {
    return i < output_grads_.size() ? output_grads_[i] : kNoValue;
  }
  bool needs(size_t input) const { return input < needed_.size() && needed_[input]; }
  const TensorType& type(ValueId id) const { return graph_.value(id).type; }

  ValueId emit(std::string op, std::vector<ValueId> inputs, Attributes attributes = {});
  std::vector<ValueId> emit_all(std::string op, std::vector<ValueId> inputs,
                                Attributes attributes = {});
  // A constant of one element that broadcasts, of the dtype of `like`.
  ValueId scalar(double value, ValueId like);
  // Sums a gradient of broadcast shape back to `shape`; returns `grad` itself where shapes agree.
  ValueId sum_to(ValueId grad, const Shape& shape);

 private:
  Graph& graph_;
  NodeId node_;
  std::vector<ValueId> output_grads_;
  std::vector<bool> needed_;
};

// All the compiler side knows of one canonical operator (graph/ops/README.md), in one place.
struct OpDef {
  std::string_view name;
  // Types of all outputs. Throws Error saying which shapes do not fit (the caller adds the node).
  std::vector<TensorType> (*infer)(const Node&, std::span<const TensorType> inputs);
  // One gradient per input, kNoValue where none is needed or defined. Null: not differentiable.
  std::vector<ValueId> (*grad)(GradContext&);
  Cost (*cost)(const Node&, std::span<const TensorType> inputs,
               std::span<const TensorType> outputs);
};

// Null for an unknown operator.
const OpDef* find_op(std::string_view name);
const OpDef& get_op(std::string_view name);  // throws Error
std::span<const OpDef* const> all_ops();     // by name

Cost node_cost(const Graph& graph, const Node& node);

}  // namespace headrace
