#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// Softmax

Types infer_softmax(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  require_axis(node, in[0]);
  return {in[0]};
}

Types infer_softmax_grad(const Node& node, TypeSpan in) {
  Types out = infer_grad_pair(node, in);
  require_axis(node, in[0]);
  return out;
}

Gradients grad_softmax(GradContext& g) {
  return {g.emit(g.node().op + "Grad", {g.output_grad(0), g.output(0)}, g.attributes())};
}

// Layer normalisation

TensorType normalized_part(const TensorType& x, int64_t axis) {
  return {x.dtype, Shape(x.shape.begin() + axis, x.shape.end())};
}

TensorType layer_statistics(const TensorType& x, int64_t axis) {
  Shape shape = x.shape;
  std::fill(shape.begin() + axis, shape.end(), 1);
  return {statistics_dtype(x.dtype), std::move(shape)};
}

Types infer_layer_norm(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require_float(in[0]);
  const int64_t axis = require_axis(node, in[0]);
  const TensorType part = normalized_part(in[0], axis);
  require_type("scale", in[1], part);
  if (has_input(node, 2)) require_type("bias", in[2], part);
  const TensorType statistics = layer_statistics(in[0], axis);
  return {in[0], statistics, statistics};
}

Types infer_layer_norm_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 5);
  require_same(in[0], in[1]);
  const int64_t axis = require_axis(node, in[1]);
  const TensorType part = normalized_part(in[1], axis);
  require_type("scale", in[2], part);
  require_type("mean", in[3], layer_statistics(in[1], axis));
  require_type("inv_std", in[4], in[3]);
  Types out{in[1], part};
  if (node.attributes.get_int("bias", 0) != 0) out.push_back(part);
  return out;
}

Gradients grad_layer_norm(GradContext& g) {
  require_only_first_output(g);
  const bool bias = g.input(2) != kNoValue;
  auto grads =
      g.emit_all("LayerNormalizationGrad",
                 {g.output_grad(0), g.input(0), g.input(1), g.output(1), g.output(2)},
                 {{"axis", g.attributes().get_int("axis")}, {"bias", static_cast<int64_t>(bias)}});
  return grads;
}

// Batch normalisation: per channel (axis 1), statistics of scale's type.

void require_channels(const Node& node, TypeSpan in, size_t x, size_t first, size_t last) {
  require_float(in[x]);
  require(in[x].rank() >= 2, "x is {}, rank 2 or more wanted", to_string(in[x]));
  require_float(in[first]);
  const TensorType channels{in[first].dtype, {in[x].shape[1]}};
  for (size_t i = first; i <= last; ++i) require_type(fmt::format("input {}", i), in[i], channels);
  require_activation(node);
}

TensorType relu_mask(const TensorType& x) { return {DType::u8, x.shape}; }

Types infer_batch_norm(const Node& node, TypeSpan in) {
  require_inputs(node, 5);
  require_channels(node, in, 0, 1, 4);
  Types out{in[0], in[1], in[1], in[1], in[1]};
  if (relu_follows(node.attributes)) out.push_back(relu_mask(in[0]));
  return out;
}

Types infer_batch_norm_grad(const Node& node, TypeSpan in) {
  const bool relu = relu_follows(node.attributes);
  require_inputs(node, relu ? 6 : 5, 6);
  require_same(in[0], in[1]);
  require_channels(node, in, 1, 2, 4);
  if (relu) require_type("mask", in[5], relu_mask(in[1]));
  return {in[1], in[2], in[2]};
}

Gradients grad_batch_norm(GradContext& g) {
  require_only_first_output(g);
  std::vector<ValueId> inputs{g.output_grad(0), g.input(0), g.input(1), g.output(1), g.output(2)};
  if (relu_follows(g.attributes())) inputs.push_back(g.output(5));
  auto grads = g.emit_all("BatchNormalizationGrad", std::move(inputs),
                          {{"epsilon", g.attributes().get_float("epsilon")},
                           {"activation", g.attributes().get_string("activation", "")}});
  grads.resize(g.input_count(), kNoValue);
  return grads;
}

Types infer_batch_norm_inference(const Node& node, TypeSpan in) {
  require_inputs(node, 5);
  require_channels(node, in, 0, 1, 4);
  return {in[0]};
}

Types infer_batch_norm_inference_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 5);
  require_same(in[0], in[1]);
  require_channels(node, in, 1, 2, 4);
  return {in[1], in[2], in[2]};
}

Gradients grad_batch_norm_inference(GradContext& g) {
  ValueId dy = g.output_grad(0);
  if (relu_follows(g.attributes())) dy = g.emit("ReluGrad", {dy, g.output(0)});
  auto grads = g.emit_all("BatchNormalizationInferenceGrad",
                          {dy, g.input(0), g.input(1), g.input(3), g.input(4)},
                          {{"epsilon", g.attributes().get_float("epsilon")}});
  grads.resize(g.input_count(), kNoValue);
  return grads;
}

}  // namespace

std::span<const OpDef> normalization_ops() {
  static constexpr OpDef kOps[] = {
      {"Softmax", infer_softmax, grad_softmax, cost_per_element<kTranscendental + kDivision + 3>},
      {"LogSoftmax", infer_softmax, grad_softmax, cost_per_element<kTranscendental + 4>},
      {"SoftmaxGrad", infer_softmax_grad, nullptr, cost_per_element<4>},
      {"LogSoftmaxGrad", infer_softmax_grad, nullptr, cost_per_element<kTranscendental + 3>},
      {"LayerNormalization", infer_layer_norm, grad_layer_norm, cost_per_element<8>},
      {"LayerNormalizationGrad", infer_layer_norm_grad, nullptr, cost_per_element<14>},
      {"BatchNormalization", infer_batch_norm, grad_batch_norm, cost_per_element<7>},
      {"BatchNormalizationGrad", infer_batch_norm_grad, nullptr, cost_per_element<11>},
      {"BatchNormalizationInference", infer_batch_norm_inference, grad_batch_norm_inference,
       cost_per_element<2>},
      {"BatchNormalizationInferenceGrad", infer_batch_norm_inference_grad, nullptr,
       cost_per_element<6>},
  };
  return kOps;
}

}  // namespace headrace
