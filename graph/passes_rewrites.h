#pragma once

#include "graph/passes_rewriter.h"

namespace headrace {

// Each looks at one node as the end of its pattern and says whether it changed something.

// passes_no_ops.cpp: Identity, Cast to the same type, Reshape, Expand, Transpose, Slice, Concat ...
// that change nothing; a Gather of consecutive rows is a Slice.
bool remove_no_op(Rewriter& r, NodeId id);
bool gather_of_range(Rewriter& r, NodeId id);

// passes_views.cpp: Reshape of Reshape, Transpose of Transpose, Reshape-Transpose-Reshape that only
// permutes axes; a scale goes before the Transpose that stands between it and a MatMul, and the
// Transpose of a MatMul's operand becomes a flag, or keeps the innermost axis in place.
bool merge_reshapes(Rewriter& r, NodeId id);
bool merge_transposes(Rewriter& r, NodeId id);
bool transpose_through_reshapes(Rewriter& r, NodeId id);
bool scale_before_transpose(Rewriter& r, NodeId id);
bool transpose_into_matmul(Rewriter& r, NodeId id);

// passes_epilogues.cpp: MatMul + Add of a row, relu behind MatMul, Conv or a normalisation.
bool bias_into_matmul(Rewriter& r, NodeId id);
bool relu_into_maker(Rewriter& r, NodeId id);

// passes_gelu.cpp: x/2 (1 + erf(x/sqrt(2))) and the tanh form, in any order of the factors.
bool fuse_gelu(Rewriter& r, NodeId id);

// passes_swish.cpp: x sigmoid(alpha x), x tanh(softplus(x)), and x HardSigmoid(x) or
// x clip(x + 3, 0, 6) / 6 as HardSwish.
bool fuse_gated_activation(Rewriter& r, NodeId id);

// passes_layer_norm.cpp: (x - mean) / sqrt(variance + epsilon) [* scale] [+ bias] over the last
// axes, and TensorFlow's x s + (bias - mean s) with s = scale / sqrt(variance + epsilon).
bool fuse_layer_norm(Rewriter& r, NodeId id);

// passes_softmax.cpp: a constant mask selected in front of a softmax is added instead; a guard
// against NaN behind a softmax whose mask leaves something in every row is dropped.
bool add_constant_mask(Rewriter& r, NodeId id);
bool remove_nan_guard(Rewriter& r, NodeId id);

}  // namespace headrace
