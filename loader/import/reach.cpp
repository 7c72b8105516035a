#include "loader/import/reach.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;

template <size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Nothing that these compute depends smoothly on an input.
constexpr auto kNoGradient = std::to_array<std::string_view>({"Equal",
                                                              "Less",
                                                              "LessOrEqual",
                                                              "Greater",
                                                              "GreaterOrEqual",
                                                              "And",
                                                              "Or",
                                                              "Xor",
                                                              "Not",
                                                              "IsNaN",
                                                              "IsInf",
                                                              "Shape",
                                                              "Size",
                                                              "ArgMax",
                                                              "ArgMin",
                                                              "Hardmax",
                                                              "NonZero",
                                                              "NonMaxSuppression",
                                                              "Floor",
                                                              "Ceil",
                                                              "Round",
                                                              "Sign",
                                                              "Range",
                                                              "Binarizer",
                                                              "ConstantOfShape",
                                                              "EyeLike",
                                                              "OneHot",
                                                              "Mod",
                                                              "SequenceLength",
                                                              "BitwiseAnd",
                                                              "BitwiseOr",
                                                              "BitwiseXor",
                                                              "BitwiseNot",
                                                              "BitShift",
                                                              "BitCast",
                                                              "Bernoulli",
                                                              "Multinomial",
                                                              "RandomNormalLike",
                                                              "RandomUniformLike"});

// Only input 0 carries data; the others are sizes, positions, bounds or targets.
constexpr auto kFirstInputOnly = std::to_array<std::string_view>({"Gather",
                                                                  "GatherND",
                                                                  "GatherElements",
                                                                  "Reshape",
                                                                  "Expand",
                                                                  "Tile",
                                                                  "Slice",
                                                                  "Pad",
                                                                  "Clip",
                                                                  "Squeeze",
                                                                  "Unsqueeze",
                                                                  "Split",
                                                                  "SplitToSequence",
                                                                  "SequenceAt",
                                                                  "Trilu",
                                                                  "DFT",
                                                                  "TopK",
                                                                  "CumSum",
                                                                  "CumProd",
                                                                  "ReverseSequence",
                                                                  "Resize",
                                                                  "Upsample",
                                                                  "Dropout",
                                                                  "CastLike",
                                                                  "ReduceSum",
                                                                  "ReduceMean",
                                                                  "ReduceMax",
                                                                  "ReduceMin",
                                                                  "ReduceProd",
                                                                  "ReduceL1",
                                                                  "ReduceL2",
                                                                  "ReduceLogSum",
                                                                  "ReduceLogSumExp",
                                                                  "ReduceSumSquare",
                                                                  "SoftmaxCrossEntropyLoss",
                                                                  "NegativeLogLikelihoodLoss",
                                                                  "CenterCropPad",
                                                                  "Col2Im",
                                                                  "Unique",
                                                                  "Compress",
                                                                  "ArrayFeatureExtractor"});

bool carries_gradient(const NodeProto& node, int input) {
  const std::string& op = node.op_type();
  if (among(kNoGradient, op)) return false;
  if (among(kFirstInputOnly, op)) return input == 0;
  if (op == "Where") return input > 0;
  if (op == "BatchNormalization") return input < 3;
  if (op == "ScatterND" || op == "ScatterElements" || op == "Scatter") return input != 1;
  if (op == "TensorScatter") return input != 2;
  if (op == "If" || op == "Loop" || op == "Scan") return false;  // by way of their subgraphs
  if (op == "Cast") {
    for (const auto& attribute : node.attribute()) {
      if (attribute.name() != "to") continue;
      const auto dtype = dtype_of_onnx(static_cast<int32_t>(attribute.i()));
      return dtype && is_float(*dtype);
    }
  }
  return true;
}

constexpr auto kOwners = std::to_array<std::string_view>(
    {"Conv", "ConvTranspose", "BatchNormalization", "LayerNormalization", "InstanceNormalization",
     "GroupNormalization", "RMSNormalization"});
constexpr auto kProducts = std::to_array<std::string_view>({"Gemm", "MatMul", "Einsum"});
constexpr auto kRecurrent = std::to_array<std::string_view>({"LSTM", "GRU", "RNN"});
constexpr auto kMovesOnly = std::to_array<std::string_view>(
    {"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"});

constexpr auto kSelects =
    std::to_array<std::string_view>({"Slice", "Split", "Gather", "Concat", "Expand", "Tile"});

bool is_initial_state(const NodeProto& node, int input) {
  return among(kRecurrent, node.op_type()) && (input == 5 || input == 6);
}

bool is_weight_place(const NodeProto& node, int input) {
  if (owns_its_weights(node.op_type())) return input >= 1;
  // Not lengths and initial states.
  if (among(kRecurrent, node.op_type())) return (input >= 1 && input <= 3) || input == 7;
  return among(kProducts, node.op_type()) || (node.op_type() == "Gather" && input == 0);
}

// What holds of an input of a loop's body holds of the value that the node gives it.
void pass_to_arguments(const NodeProto& node, const GraphProto& body, Reach& reach) {
  // Before opset 9 a Scan has its lengths in front.
  const int ahead = node.op_type() == "Scan" ? node.input_size() - body.input_size() : 0;
  for (int i = 0; i < body.input_size() && i + ahead < node.input_size(); ++i) {
    if (i + ahead < 0 || node.input(i + ahead).empty()) continue;
    for (auto* set : {&reach.differentiable, &reach.weight_places, &reach.initial_states})
      if (set->count(body.input(i).name()) > 0) set->insert(node.input(i + ahead));
  }
}

void visit(const GraphProto& graph, Reach& reach) {
  for (int n = graph.node_size() - 1; n >= 0; --n) {
    const NodeProto& node = graph.node(n);
    const auto any_output_in = [&](const std::unordered_set<std::string>& set) {
      return std::any_of(node.output().begin(), node.output().end(),
                         [&](const std::string& name) { return set.count(name) > 0; });
    };
    const bool reached = any_output_in(reach.differentiable);
    const bool moves_weight =
        among(kMovesOnly, node.op_type()) && any_output_in(reach.weight_places);
    const bool moves_state =
        (among(kMovesOnly, node.op_type()) || among(kSelects, node.op_type())) &&
        any_output_in(reach.initial_states);
    for (int i = 0; i < node.input_size(); ++i) {
      if (node.input(i).empty()) continue;
      if (moves_state || is_initial_state(node, i)) reach.initial_states.insert(node.input(i));
      ++reach.readers[node.input(i)];
      if (reached && carries_gradient(node, i)) reach.differentiable.insert(node.input(i));
      if (is_weight_place(node, i) || (moves_weight && i == 0))
        reach.weight_places.insert(node.input(i));
    }
    for (const auto& attribute : node.attribute()) {
      if (!attribute.has_g()) continue;
      if (reached)
        for (const auto& output : attribute.g().output())
          reach.differentiable.insert(output.name());
      visit(attribute.g(), reach);
      pass_to_arguments(node, attribute.g(), reach);
    }
  }
}

bool is_float_output(const onnx::ValueInfoProto& output) {
  if (!output.type().has_tensor_type()) return true;
  const auto dtype = dtype_of_onnx(output.type().tensor_type().elem_type());
  return !dtype || is_float(*dtype);
}

void collect_reads(const GraphProto& graph, std::unordered_set<std::string>& names) {
  for (const auto& output : graph.output()) names.insert(output.name());
  for (const NodeProto& node : graph.node()) {
    names.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) collect_reads(attribute.g(), names);
  }
}

}  // namespace

bool owns_its_weights(const std::string& op) { return among(kOwners, op); }

Reach find_reach(const GraphProto& graph) {
  Reach reach;
  for (const auto& output : graph.output())
    if (is_float_output(output)) reach.differentiable.insert(output.name());
  visit(graph, reach);
  return reach;
}

std::string string_attribute(const NodeProto& node, std::string_view name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.s();
  return {};
}

std::vector<bool> live_nodes(const GraphProto& graph) {
  std::unordered_set<std::string> wanted;
  for (const auto& output : graph.output()) wanted.insert(output.name());
  std::vector<bool> live(static_cast<size_t>(graph.node_size()), false);
  for (int n = graph.node_size() - 1; n >= 0; --n) {
    const NodeProto& node = graph.node(n);
    if (std::none_of(node.output().begin(), node.output().end(), [&](const std::string& name) {
          return !name.empty() && wanted.count(name) > 0;
        }))
      continue;
    live[static_cast<size_t>(n)] = true;
    wanted.insert(node.input().begin(), node.input().end());
    // What a Gradient differentiates is named by an attribute.
    if (node.op_type() == "Gradient") wanted.insert(string_attribute(node, "y"));
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) collect_reads(attribute.g(), wanted);
  }
  return live;
}

}  // namespace headrace
