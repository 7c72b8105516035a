#pragma once

#include <span>

#include "graph/op_def.h"

namespace headrace {

// The canonical operators of graph/ops/README.md, one list per file of this folder.
std::span<const OpDef> elementwise_ops();
std::span<const OpDef> trigonometry_ops();
std::span<const OpDef> logical_ops();
std::span<const OpDef> bit_ops();
std::span<const OpDef> activation_ops();
std::span<const OpDef> reduction_ops();
std::span<const OpDef> normalization_ops();
std::span<const OpDef> matmul_ops();
std::span<const OpDef> attention_ops();
std::span<const OpDef> determinant_ops();
std::span<const OpDef> convolution_ops();
std::span<const OpDef> pooling_ops();
std::span<const OpDef> resampling_ops();
std::span<const OpDef> sampling_ops();
std::span<const OpDef> movement_ops();
std::span<const OpDef> slicing_ops();
std::span<const OpDef> indexing_ops();
std::span<const OpDef> scan_ops();
std::span<const OpDef> random_ops();
std::span<const OpDef> loss_ops();
std::span<const OpDef> recurrent_ops();
std::span<const OpDef> update_ops();

}  // namespace headrace
