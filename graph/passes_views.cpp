#include <algorithm>
#include <utility>

#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

// For each dimension of `to` the dimensions of `from` that it merges; empty when `to` is no merge
// of neighbours.
std::vector<std::vector<int64_t>> merged_axes(const Shape& from, const Shape& to) {
  std::vector<std::vector<int64_t>> groups;
  size_t next = 0;
  for (const int64_t size : to) {
    std::vector<int64_t> group;
    int64_t product = 1;
    while (next < from.size() && (product < size || (group.empty() && from[next] == 1))) {
      product *= from[next];
      group.push_back(static_cast<int64_t>(next++));
    }
    if (product != size) return {};
    groups.push_back(std::move(group));
  }
  if (next != from.size()) return {};
  return groups;
}

// A permutation with its last two axes exchanged: what is left of a Transpose whose other half is
// a flag of MatMul.
std::vector<int64_t> swap_last_two(std::vector<int64_t> perm) {
  std::iter_swap(perm.end() - 1, perm.end() - 2);
  return perm;
}

Shape permuted(const Shape& shape, const std::vector<int64_t>& perm) {
  Shape result;
  for (const int64_t axis : perm) result.push_back(shape[static_cast<size_t>(axis)]);
  return result;
}

}  // namespace

bool merge_reshapes(Rewriter& r, NodeId id) {
  const Node& node = r.node(id);
  if (node.op != "Reshape") return false;
  const Node* first = r.maker(node.inputs[0], "Reshape");
  if (first == nullptr) return false;
  Node direct = node;
  direct.inputs = first->inputs;
  r.replace(id, std::move(direct));
  return true;
}

bool merge_transposes(Rewriter& r, NodeId id) {
  const Node& node = r.node(id);
  if (node.op != "Transpose") return false;
  const Node* first = r.maker(node.inputs[0], "Transpose");
  if (first == nullptr) return false;
  const auto& inner = first->attributes.get_ints("perm");
  Node direct = node;
  direct.inputs = first->inputs;
  direct.attributes.set("perm", permuted(inner, node.attributes.get_ints("perm")));
  r.replace(id, std::move(direct));
  return true;
}

// [B, H, T, D] -> [B H, T, D] -> [B H, D, T] -> [B, H, D, T], say.
bool transpose_through_reshapes(Rewriter& r, NodeId id) {
  const Node& node = r.node(id);
  if (node.op != "Reshape") return false;
  const Node* transpose = r.maker(node.inputs[0], "Transpose");
  if (transpose == nullptr) return false;
  const Node* merge = r.maker(transpose->inputs[0], "Reshape");
  if (merge == nullptr) return false;

  const Shape& whole = r.type(merge->inputs[0]).shape;
  const Shape& merged = r.type(merge->outputs[0]).shape;
  const auto groups = merged_axes(whole, merged);
  if (groups.size() != merged.size()) return false;
  std::vector<int64_t> perm;
  for (const int64_t axis : transpose->attributes.get_ints("perm")) {
    const auto& group = groups[static_cast<size_t>(axis)];
    perm.insert(perm.end(), group.begin(), group.end());
  }
  if (permuted(whole, perm) != r.type(node.outputs[0]).shape) return false;
  Node direct = node;
  direct.op = "Transpose";
  direct.inputs = merge->inputs;
  direct.attributes = {{"perm", perm}};
  r.replace(id, std::move(direct));
  return true;
}

bool scale_before_transpose(Rewriter& r, NodeId id) {
  const Node scale = r.node(id);
  if (scale.op != "Mul" && scale.op != "Div") return false;
  const ValueId y = scale.outputs[0];
  const auto& readers = r.readers(y);
  if (readers.empty() || !std::all_of(readers.begin(), readers.end(),
                                      [&](NodeId reader) { return r.node(reader).op == "MatMul"; }))
    return false;
  const size_t operand = scale.op == "Mul" && r.number(scale.inputs[0]) ? 1 : 0;
  const ValueId t = scale.inputs[operand];
  const NodeId place = r.maker_id(t, "Transpose");
  if (place == kNoNode || !r.is_private(t) || !r.number(scale.inputs[1 - operand]) ||
      r.type(t) != r.type(y))
    return false;

  const Node transpose = r.node(place);
  const TensorType x = r.type(transpose.inputs[0]);
  const ValueId scaled = r.add_output(scale.name + "/before_transpose", x);
  Node first = scale, second = transpose;
  first.inputs[operand] = transpose.inputs[0];
  first.outputs = {scaled};
  second.inputs = {scaled};
  second.outputs = {y};
  r.replace(place, std::move(first));
  r.replace(id, std::move(second));
  return true;
}

bool transpose_into_matmul(Rewriter& r, NodeId id) {
  if (r.node(id).op != "MatMul") return false;
  for (const size_t operand : {0, 1}) {
    Node product = r.node(id);
    const NodeId place = r.maker_id(product.inputs[operand], "Transpose");
    if (place == kNoNode) continue;
    Node transpose = r.node(place);
    const auto& perm = transpose.attributes.get_ints("perm");
    const auto rest = swap_last_two(perm);
    const char* flag = operand == 0 ? "transpose_a" : "transpose_b";
    product.attributes.set(flag, int64_t{product.attributes.get_int(flag, 0) == 0});
    if (std::is_sorted(rest.begin(), rest.end())) {
      product.inputs[operand] = transpose.inputs[0];
      r.replace(id, std::move(product));
      return true;
    }
    const auto innermost = static_cast<int64_t>(perm.size()) - 1;
    if (rest.back() == innermost && r.is_private(transpose.outputs[0]) &&
        product.inputs[0] != product.inputs[1]) {
      const TensorType x = r.type(transpose.inputs[0]);
      const ValueId kept =
          r.add_output(transpose.name + "/innermost_kept", {x.dtype, permuted(x.shape, rest)});
      transpose.attributes.set("perm", rest);
      transpose.outputs = {kept};
      product.inputs[operand] = kept;
      r.replace(place, std::move(transpose));
      r.replace(id, std::move(product));
      return true;
    }
  }
  return false;
}

}  // namespace headrace
