#include "graph/op_def.h"

#include <algorithm>

#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/ops/families.h"

namespace headrace {
namespace {

std::vector<const OpDef*> collect() {
  std::vector<const OpDef*> ops;
  for (const auto family : {
           elementwise_ops(), trigonometry_ops(), logical_ops(),       bit_ops(),
           activation_ops(),  reduction_ops(),    normalization_ops(), matmul_ops(),
           attention_ops(),   determinant_ops(),  convolution_ops(),   pooling_ops(),
           resampling_ops(),  sampling_ops(),     movement_ops(),      slicing_ops(),
           indexing_ops(),    scan_ops(),         random_ops(),        recurrent_ops(),
           loss_ops(),        update_ops(),
       })
    for (const OpDef& op : family) ops.push_back(&op);
  std::sort(ops.begin(), ops.end(),
            [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
  return ops;
}

}  // namespace

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> ops = collect();
  return ops;
}

const OpDef* find_op(std::string_view name) {
  const auto ops = all_ops();
  const auto it =
      std::lower_bound(ops.begin(), ops.end(), name,
                       [](const OpDef* op, std::string_view n) { return op->name < n; });
  return it != ops.end() && (*it)->name == name ? *it : nullptr;
}

const OpDef& get_op(std::string_view name) {
  if (const OpDef* op = find_op(name)) return *op;
  std::vector<std::string> names;
  for (const OpDef* op : all_ops()) names.emplace_back(op->name);
  throw Error("no operator is named {}; the nearest is {}", name, nearest(name, names));
}

Cost node_cost(const Graph& graph, const Node& node) {
  const auto inputs = graph.types(node.inputs);
  const auto outputs = graph.types(node.outputs);
  return get_op(node.op).cost(node, inputs, outputs);
}

}  // namespace headrace
