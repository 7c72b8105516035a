#include "graph/op_def.h"
#include "graph/scalar.h"

namespace headrace {

std::vector<ValueId> GradContext::emit_all(std::string op, std::vector<ValueId> inputs,
                                           Attributes attributes) {
  const NodeId id =
      graph_.add_node({.op = std::move(op),
                       .name = fmt::format("{}/grad_{}", node().name, graph_.nodes().size()),
                       .inputs = std::move(inputs),
                       .outputs = {},
                       .attributes = std::move(attributes),
                       .phase = Phase::backward_input,
                       .origin = node_});
  return graph_.node(id).outputs;
}

ValueId GradContext::emit(std::string op, std::vector<ValueId> inputs, Attributes attributes) {
  return emit_all(std::move(op), std::move(inputs), std::move(attributes)).at(0);
}

ValueId GradContext::scalar(double value, ValueId like) {
  return graph_.add_constant(fmt::format("{}/scalar_{}", node().name, graph_.values().size()),
                             scalar_of(type(like).dtype, value));
}

ValueId GradContext::sum_to(ValueId grad, const Shape& shape) {
  // Copies, since emitting moves what both may refer to.
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const Shape from = type(grad).shape, to = shape;
  if (from == to) return grad;
  const size_t lead = from.size() - to.size();
  std::vector<int64_t> axes;
  bool keeps_rank = lead == 0, sums = false, only_leading = true;
  for (size_t d = 0; d < from.size(); ++d) {
    const bool leading = d < lead;
    if (!leading && (to[d - lead] != 1 || from[d] == 1)) continue;
    axes.push_back(static_cast<int64_t>(d));
    sums = sums || from[d] != 1;
    only_leading = only_leading && leading;
  }
  if (sums) {
    const bool keep = keeps_rank || !only_leading;
    grad = emit("ReduceSum", {grad},
                {{"axes", std::move(axes)}, {"keepdims", static_cast<int64_t>(keep)}});
  }
  if (type(grad).shape != to) grad = emit("Reshape", {grad}, {{"shape", to}});
  return grad;
}

}  // namespace headrace
