#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

constexpr bool (*kRewrites[])(Rewriter&, NodeId) = {
    remove_no_op,
    gather_of_range,
    merge_reshapes,
    merge_transposes,
    transpose_through_reshapes,
    scale_before_transpose,
    transpose_into_matmul,
    fuse_gelu,
    fuse_gated_activation,
    fuse_layer_norm,
    add_constant_mask,
    remove_nan_guard,
    bias_into_matmul,
    relu_into_maker,
};

}  // namespace

// Every rewrite removes a node, moves one towards the inputs or takes a pattern out for good, so
// the sweeps come to an end.
ForwardGraph canonicalize(ForwardGraph forward) {
  Rewriter clean(Rewriter(std::move(forward)).finish());
  bool changed = true;
  while (changed) {
    changed = false;
    for (size_t n = 0; n < clean.graph().nodes().size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      for (const auto rewrite : kRewrites) {
        if (clean.is_erased(id)) break;
        changed = rewrite(clean, id) || changed;
      }
    }
  }
  return clean.finish();
}

}  // namespace headrace
