#include <algorithm>

#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

bool changes_nothing(const Rewriter& r, const Node& node) {
  if (node.op == "Identity") return true;
  if (node.op == "Split" && node.outputs.size() != 1) return false;
  if (node.inputs.size() != 1 || r.type(node.inputs[0]) != r.type(node.outputs[0])) return false;
  if (node.op == "Cast" || node.op == "Reshape" || node.op == "Expand" || node.op == "Concat" ||
      node.op == "Split")
    return true;
  if (node.op == "Transpose") {
    const auto& perm = node.attributes.get_ints("perm");
    return std::is_sorted(perm.begin(), perm.end());
  }
  if (node.op == "Slice") {
    const auto& steps = node.attributes.get_ints("steps");
    return std::all_of(steps.begin(), steps.end(), [](int64_t step) { return step > 0; });
  }
  if (node.op == "Pad") {
    const auto& pads = node.attributes.get_ints("pads");
    return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  }
  if (node.op == "Dropout")
    return node.attributes.get_float("ratio") == 0 && r.readers(node.outputs[1]).empty();
  return false;
}

}  // namespace

bool remove_no_op(Rewriter& r, NodeId id) {
  const Node node = r.node(id);
  if (!changes_nothing(r, node)) return false;
  if (r.bypass(id, node.inputs[0])) return true;
  if (node.op == "Reshape") return false;
  // Two names for one value: a view is the cheapest node that keeps both.
  Node view = node;
  view.op = "Reshape";
  view.attributes = {{"shape", r.type(node.inputs[0]).shape}};
  view.outputs.resize(1);
  r.replace(id, std::move(view));
  return true;
}

bool gather_of_range(Rewriter& r, NodeId id) {
  const Node& node = r.node(id);
  if (node.op != "Gather") return false;
  const Value& indices = r.graph().value(node.inputs[1]);
  if (indices.role != Role::constant || indices.type.rank() != 1) return false;
  const auto rows = to_int64s(indices.data);
  if (rows.empty() || rows[0] < 0) return false;
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i] != rows[i - 1] + 1) return false;

  const TensorType& x = r.type(node.inputs[0]);
  const auto axis = static_cast<size_t>(node.attributes.get_int("axis"));
  if (rows.back() >= x.shape[axis]) return false;  // the kernel says which index is out of range
  Shape starts(x.shape.size(), 0), ends = x.shape;
  starts[axis] = rows.front();
  ends[axis] = rows.back() + 1;
  Node slice = node;
  slice.op = "Slice";
  slice.inputs.resize(1);
  slice.attributes = {{"starts", starts}, {"ends", ends}, {"steps", Shape(starts.size(), 1)}};
  r.replace(id, std::move(slice));
  return true;
}

}  // namespace headrace
