#pragma once

#include <onnx/onnx_pb.h>

#include <string>

namespace headrace {

// Why no model with such a node can be used, whatever its types, shapes and attributes are; empty
// for an operator that has an import rule. Subgraphs are not looked into.
std::string refusal_by_name(const onnx::NodeProto& node);

// "Conv", "ai.onnx.ml::Scaler": how import rules, messages and tables name the operator of a node.
std::string operator_name(const onnx::NodeProto& node);

}  // namespace headrace
