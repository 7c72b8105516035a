#pragma once

#include <vector>

#include "loader/import/rules.h"
#include "loader/model.h"

namespace headrace {

// Whether a node's outputs are known before the run: all its inputs are, none is trained, and it
// draws no random numbers.
bool can_fold(const onnx::NodeProto& node, const std::vector<Operand>& inputs);

// Imports the node into a graph of its own, under the settings of `like`, and evaluates that graph.
std::vector<Operand> fold(const ImportRule& rule, const ImportedNode& node,
                          const ImportTarget& like, std::vector<Operand> inputs,
                          const EvaluateNode& evaluate);

bool has_subgraph(const onnx::NodeProto& node);

}  // namespace headrace
