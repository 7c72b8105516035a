#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// A scalar, or under reduction "none" one number per target; f32 (f64 of f64 data).
TensorType loss_type(const Node& node, const TensorType& x, const Shape& target) {
  const auto reduction = node.attributes.get_string("reduction", "mean");
  require(reduction == "mean" || reduction == "sum" || reduction == "none",
          "reduction \"{}\" is not known", reduction);
  return {statistics_dtype(x.dtype), reduction == "none" ? target : Shape{}};
}

// Class ids of every position: scores' shape without the class axis.
void require_target(const Node& node, const TensorType& scores, const TensorType& target) {
  require_float(scores);
  const int64_t axis = require_axis(node, scores);
  Shape shape = scores.shape;
  shape.erase(shape.begin() + axis);
  require(target.dtype == DType::i64 || target.dtype == DType::i32,
          "the target is {}, class ids in i32 or i64 wanted", to_string(target));
  require(target.shape == shape,
          "the target is {}, shape {} wanted for scores {} with classes on "
          "axis {}",
          to_string(target), to_string(shape), to_string(scores), axis);
}

void require_class_weight(const Node& node, const TensorType& scores, const TensorType& weight) {
  const auto axis = static_cast<size_t>(node.attributes.get_int("axis"));
  require_type("class_weight", weight, {scores.dtype, {scores.shape[axis]}});
}

Types infer_cross_entropy(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require_target(node, in[0], in[1]);
  if (has_input(node, 2)) require_class_weight(node, in[0], in[2]);
  const TensorType per_target{statistics_dtype(in[0].dtype), in[1].shape};
  return {loss_type(node, in[0], in[1].shape), per_target, per_target};
}

Types infer_cross_entropy_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 6);
  require(in.size() == 6 && has_input(node, 4) && has_input(node, 5),
          "largest or log_sum is left out");
  require_target(node, in[1], in[2]);
  require_type("dloss", in[0], loss_type(node, in[1], in[2].shape));
  if (has_input(node, 3)) require_class_weight(node, in[1], in[3]);
  for (size_t i : {4, 5})
    require_type(i == 4 ? "largest" : "log_sum", in[i],
                 {statistics_dtype(in[1].dtype), in[2].shape});
  return {in[1]};
}

Types infer_likelihood(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require_target(node, in[0], in[1]);
  if (has_input(node, 2)) require_class_weight(node, in[0], in[2]);
  return {loss_type(node, in[0], in[1].shape)};
}

Types infer_likelihood_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 4);
  require_target(node, in[1], in[2]);
  require_type("dloss", in[0], loss_type(node, in[1], in[2].shape));
  if (has_input(node, 3)) require_class_weight(node, in[1], in[3]);
  return {in[1]};
}

Types infer_pairwise(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require_float(in[0]);
  require_same(in[0], in[1]);
  return {loss_type(node, in[0], in[0].shape)};
}

Types infer_pairwise_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  require_float(in[1]);
  require_same(in[1], in[2]);
  require_type("dloss", in[0], loss_type(node, in[1], in[1].shape));
  return {in[1]};
}

Types infer_correct_count(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require_target(node, in[0], in[1]);
  return {{DType::f32, {}}};
}

// Gradients

Gradients grad_cross_entropy(GradContext& g) {
  require_only_first_output(g);
  Gradients grads(g.input_count(), kNoValue);
  grads[0] =
      g.emit("SoftmaxCrossEntropyGrad",
             {g.output_grad(0), g.input(0), g.input(1), g.input(2), g.output(1), g.output(2)},
             g.attributes());
  return grads;
}

Gradients grad_likelihood(GradContext& g) {
  std::vector<ValueId> inputs{g.output_grad(0), g.input(0), g.input(1)};
  if (g.input(2) != kNoValue) inputs.push_back(g.input(2));
  Gradients grads(g.input_count(), kNoValue);
  grads[0] = g.emit("NegativeLogLikelihoodGrad", std::move(inputs), g.attributes());
  return grads;
}

// Symmetric in its operands but for the sign.
Gradients grad_squared_error(GradContext& g) {
  const ValueId dx =
      g.emit("MeanSquaredErrorGrad", {g.output_grad(0), g.input(0), g.input(1)}, g.attributes());
  return per_input(
      g, [&] { return dx; }, [&] { return g.emit("Neg", {dx}); });
}

Gradients grad_binary_cross_entropy(GradContext& g) {
  require(!g.needs(1), "node '{}' ({}): the target must not depend on a parameter", g.node().name,
          g.node().op);
  return {g.emit(g.node().op + "Grad", {g.output_grad(0), g.input(0), g.input(1)}, g.attributes()),
          kNoValue};
}

// A scalar comes in or goes out, so the larger operand decides.
template <int Flops>
Cost cost_per_score(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  int64_t elements = 0;
  for (const auto& type : in) elements = std::max(elements, type.elements());
  cost.flops = static_cast<double>(Flops) * static_cast<double>(elements);
  return cost;
}

// Picks one score per target and reads no other.
Cost cost_likelihood(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in.subspan(1), out);
  cost.bytes += static_cast<double>(in[1].elements()) * static_cast<double>(size_of(in[0].dtype));
  cost.flops = 2 * static_cast<double>(in[1].elements());
  return cost;
}

Cost cost_likelihood_grad(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in.subspan(2), out);
  cost.flops = 2 * static_cast<double>(in[2].elements());
  return cost;
}

}  // namespace

std::span<const OpDef> loss_ops() {
  static constexpr OpDef kOps[] = {
      {"SoftmaxCrossEntropy", infer_cross_entropy, grad_cross_entropy,
       cost_per_score<kTranscendental + 3>},
      {"SoftmaxCrossEntropyGrad", infer_cross_entropy_grad, nullptr,
       cost_per_score<kTranscendental + 3>},
      {"NegativeLogLikelihood", infer_likelihood, grad_likelihood, cost_likelihood},
      {"NegativeLogLikelihoodGrad", infer_likelihood_grad, nullptr, cost_likelihood_grad},
      {"MeanSquaredError", infer_pairwise, grad_squared_error, cost_per_score<3>},
      {"MeanSquaredErrorGrad", infer_pairwise_grad, nullptr, cost_per_score<2>},
      {"BinaryCrossEntropy", infer_pairwise, grad_binary_cross_entropy,
       cost_per_score<2 * kTranscendental + 5>},
      {"BinaryCrossEntropyGrad", infer_pairwise_grad, nullptr, cost_per_score<2 * kDivision>},
      {"BinaryCrossEntropyWithLogits", infer_pairwise, grad_binary_cross_entropy,
       cost_per_score<2 * kTranscendental + 5>},
      {"BinaryCrossEntropyWithLogitsGrad", infer_pairwise_grad, nullptr,
       cost_per_score<kTranscendental + 2>},
      {"CorrectCount", infer_correct_count, nullptr, cost_per_score<1>},
  };
  return kOps;
}

}  // namespace headrace
