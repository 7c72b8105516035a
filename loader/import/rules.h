#pragma once

#include <span>
#include <string_view>

#include "loader/import/context.h"

namespace headrace {

// How one operator is made into canonical nodes, whatever its opset. `op`: its name, after its
// domain unless that is ai.onnx ("ai.onnx.ml::Scaler"). Rules reach inputs, dimensions and lists
// with at() where the file might have too few of them: what it throws is a refusal of the node.
struct ImportRule {
  std::string_view op;
  void (*apply)(ImportContext&);
};

// One list per family, each in the file of its name.
std::span<const ImportRule> elementwise_rules();
std::span<const ImportRule> activation_rules();
std::span<const ImportRule> reduction_rules();
std::span<const ImportRule> normalization_rules();
std::span<const ImportRule> product_rules();
std::span<const ImportRule> convolution_rules();
std::span<const ImportRule> pooling_rules();
std::span<const ImportRule> resize_rules();
std::span<const ImportRule> sampling_rules();
std::span<const ImportRule> recurrent_rules();
std::span<const ImportRule> einsum_rules();
std::span<const ImportRule> attention_rules();
std::span<const ImportRule> rotary_embedding_rules();
std::span<const ImportRule> linear_attention_rules();
std::span<const ImportRule> signal_rules();
std::span<const ImportRule> random_rules();
std::span<const ImportRule> shape_rules();
std::span<const ImportRule> movement_rules();
std::span<const ImportRule> indexing_rules();
std::span<const ImportRule> selection_rules();
std::span<const ImportRule> constant_rules();
std::span<const ImportRule> sequence_rules();
std::span<const ImportRule> control_flow_rules();
std::span<const ImportRule> loss_rules();
std::span<const ImportRule> tabular_rules();
std::span<const ImportRule> optimizer_rules();

const ImportRule* find_rule(std::string_view op);  // null for an operator without one

}  // namespace headrace
