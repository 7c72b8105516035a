#pragma once

#include <vector>

#include "loader/import/rules.h"
#include "loader/model.h"

namespace headrace {

// Whether a node's outputs are known before the run: all its inputs are, none is trained, and it
// draws no random numbers.
bool can_fold(const onnx::NodeProto& node, const std::vector<Operand>& inputs);

// Imports the node into a graph of its own and evaluates that graph.
std::vector<Operand> fold(const ImportRule& rule, const onnx::NodeProto& node, int64_t opset,
                          bool training, std::vector<Operand> inputs, const EvaluateNode& evaluate);

}  // namespace headrace
