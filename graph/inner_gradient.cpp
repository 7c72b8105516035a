#include "graph/inner_gradient.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "graph/autodiff.h"
#include "graph/error.h"
#include "graph/scalar.h"

namespace headrace {
namespace {

// The graph as differentiate() takes it: the xs are its only parameters, the sum of y its loss.
Graph as_function_of(const Graph& graph, std::span<const ValueId> xs) {
  Graph function = graph;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const auto id = static_cast<ValueId>(v);
    Role& role = function.value(id).role;
    if (std::find(xs.begin(), xs.end(), id) != xs.end())
      role = Role::parameter;
    else if (role == Role::parameter)
      role = Role::constant;
  }
  return function;
}

ValueId add_sum(Graph& graph, ValueId y) {
  const int64_t rank = graph.value(y).type.rank();
  if (rank == 0) return y;
  std::vector<int64_t> axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  return graph.add("ReduceSum", {y}, {{"axes", axes}, {"keepdims", int64_t{0}}});
}

HostTensor zeros(const TensorType& type) {
  auto [tensor, bytes] = allocate_host_tensor(type);
  std::memset(bytes, 0, static_cast<size_t>(type.bytes()));
  return tensor;
}

}  // namespace

std::vector<ValueId> add_gradient(Graph& graph, ValueId y, std::span<const ValueId> xs) {
  const size_t nodes_before = graph.nodes().size();
  const size_t values_before = graph.values().size();
  Graph function = as_function_of(graph, xs);
  const ValueId sum = add_sum(function, y);
  const TrainingGraph training = differentiate(std::move(function), {{.value = sum}}, {});

  const Graph& made = training.graph;
  std::vector<ValueId> moved(made.values().size(), kNoValue);
  for (size_t v = 0; v < made.values().size(); ++v) {
    const Value& value = made.values()[v];
    const auto id = static_cast<ValueId>(v);
    if (v < values_before)
      moved[v] = id;
    else if (id == training.loss_seed)
      moved[v] = graph.add_constant("one", scalar_of(value.type.dtype, 1));
    else if (value.role == Role::constant)
      moved[v] = graph.add_constant(value.name, value.data);
  }
  for (size_t n = nodes_before; n < made.nodes().size(); ++n) {
    Node node = made.nodes()[n];
    const std::vector<ValueId> outputs = std::move(node.outputs);
    node.outputs = {};
    node.name.clear();
    node.phase = Phase::forward;
    node.origin = kNoNode;
    for (ValueId& input : node.inputs)
      if (input != kNoValue) input = moved[index(input)];
    const NodeId added = graph.add_node(std::move(node));
    for (size_t o = 0; o < outputs.size(); ++o)
      if (outputs[o] != kNoValue) moved[index(outputs[o])] = graph.node(added).outputs.at(o);
  }

  std::vector<ValueId> gradients;
  for (const ValueId x : xs) {
    const auto found =
        std::find_if(training.gradients.begin(), training.gradients.end(),
                     [&](const ParameterGradient& each) { return each.parameter == x; });
    if (found == training.gradients.end()) {
      gradients.push_back(graph.add_constant("zeros", zeros(graph.value(x).type)));
      continue;
    }
    ValueId total = kNoValue;
    for (const ValueId contribution : found->contributions) {
      const ValueId next = moved[index(contribution)];
      total = total == kNoValue ? next : graph.add("Add", {total, next});
    }
    gradients.push_back(total);
  }
  return gradients;
}

}  // namespace headrace
