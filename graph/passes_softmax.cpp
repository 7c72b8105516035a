#include <algorithm>
#include <cmath>

#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

// What counts as "not at all" in a mask: -inf or the most negative number of a float type.
bool is_masked(double value) { return value < -1e30; }

// Whether every row of a softmax over `axis` of scores of rank `rank` keeps an entry, `kept` saying
// it for each element of a mask that broadcasts to the scores.
bool every_row_keeps(const Shape& mask, const std::vector<bool>& kept, int64_t rank, int64_t axis) {
  const int64_t along = static_cast<int64_t>(mask.size()) - (rank - axis);
  const bool broadcast = along < 0 || mask[static_cast<size_t>(along)] == 1;
  if (broadcast) return std::find(kept.begin(), kept.end(), false) == kept.end();
  const auto row = static_cast<size_t>(mask[static_cast<size_t>(along)]);
  const auto inner =
      static_cast<size_t>(element_count(std::span(mask).subspan(static_cast<size_t>(along) + 1)));
  for (size_t first = 0; first < kept.size(); ++first) {
    if (first / inner % row != 0) continue;
    bool any = false;
    for (size_t i = 0; i < row; ++i) any = any || kept[first + i * inner];
    if (!any) return false;
  }
  return true;
}

bool mask_leaves_something(const Rewriter& r, ValueId scores, int64_t axis) {
  const Node* add = r.maker(scores, "Add");
  if (add == nullptr) return false;
  for (const ValueId operand : add->inputs) {
    const Value& mask = r.graph().value(operand);
    if (mask.role != Role::constant) continue;
    std::vector<bool> kept;
    for (const double value : to_doubles(mask.data)) kept.push_back(std::isfinite(value));
    return every_row_keeps(mask.type.shape, kept, r.type(scores).rank(), axis);
  }
  return false;
}

// 0 where `selected` and the mask's value elsewhere.
HostTensor additive_mask(const HostTensor& selected, bool masked_where, DType dtype, double value) {
  auto [mask, bytes] = allocate_host_tensor({dtype, selected.type.shape});
  const auto flags = selected.as<bool>();
  for (size_t i = 0; i < flags.size(); ++i) {
    const double entry = flags[i] == masked_where ? value : 0.0;
    if (dtype == DType::f64)
      reinterpret_cast<double*>(bytes)[i] = entry;
    else
      reinterpret_cast<float*>(bytes)[i] = static_cast<float>(entry);
  }
  return mask;
}

}  // namespace

// Equal for a softmax, and its gradient passes through an Add untouched.
bool add_constant_mask(Rewriter& r, NodeId id) {
  const Node where = r.node(id);
  if (where.op != "Where") return false;
  const auto& readers = r.readers(where.outputs[0]);
  if (!r.is_private(where.outputs[0]) || r.node(readers[0]).op != "Softmax") return false;
  const Value& condition = r.graph().value(where.inputs[0]);
  const TensorType& y = r.type(where.outputs[0]);
  if (condition.role != Role::constant || (y.dtype != DType::f32 && y.dtype != DType::f64))
    return false;
  for (const size_t masked : {1, 2}) {
    const auto value = r.number(where.inputs[masked]);
    const ValueId scores = where.inputs[3 - masked];
    if (!value || !is_masked(*value) || r.type(scores) != y) continue;
    Node add = where;
    add.op = "Add";
    add.inputs = {scores,
                  r.add_constant(where.name + "/mask",
                                 additive_mask(condition.data, masked == 1, y.dtype, *value))};
    r.replace(id, std::move(add));
    return true;
  }
  return false;
}

// Where(IsNaN(softmax), 0, softmax): a row of a softmax is NaN when all of it is masked.
bool remove_nan_guard(Rewriter& r, NodeId id) {
  const Node where = r.node(id);
  if (where.op != "Where") return false;
  const Node* test = r.maker(where.inputs[0], "IsNaN");
  const Node* softmax = r.maker(where.inputs[2], "Softmax");
  if (test == nullptr || softmax == nullptr || test->inputs[0] != where.inputs[2] ||
      r.number(where.inputs[1]) != 0.0)
    return false;
  if (!mask_leaves_something(r, softmax->inputs[0], softmax->attributes.get_int("axis")))
    return false;
  return r.bypass(id, where.inputs[2]);
}

}  // namespace headrace
