#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace headrace {

// What a model's text says about its values before any of it is imported. Names stand for values in
// all subgraphs alike; where two branches of an If use one name the answer covers both.
struct Reach {
  // Values with a differentiable path to a float output of the model.
  std::unordered_set<std::string> differentiable;
  // Values that arrive, possibly transposed or reshaped, at the place of a weight: convolution,
  // matrix product, normalisation, embedding.
  std::unordered_set<std::string> weight_places;
  // Values that arrive, possibly moved, as the initial state of a recurrence.
  std::unordered_set<std::string> initial_states;
  std::unordered_map<std::string, int> readers;  // how many nodes' inputs each value is
};

Reach find_reach(const onnx::GraphProto& graph);

inline constexpr std::string_view kGradientOperator = "ai.onnx.preview.training::Gradient";

// A string attribute of a node, empty where it has none of that name.
std::string string_attribute(const onnx::NodeProto& node, std::string_view name);

// For each node of the graph whether one of its outputs leads to an output of the graph.
std::vector<bool> live_nodes(const onnx::GraphProto& graph);

// Convolution and normalisation operators, whose inputs after the first are theirs alone.
bool owns_its_weights(const std::string& op);

}  // namespace headrace
