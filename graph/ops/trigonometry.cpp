#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// Gradients: dy times, or divided by, what is named.

ValueId times(GradContext& g, ValueId factor) { return g.emit("Mul", {g.output_grad(0), factor}); }
ValueId over(GradContext& g, ValueId divisor) { return g.emit("Div", {g.output_grad(0), divisor}); }
ValueId of_input(GradContext& g, const char* op) { return g.emit(op, {g.input(0)}); }

// a + b x^2
ValueId quadratic(GradContext& g, double a, double b) {
  const ValueId x = g.input(0), square = g.emit("Mul", {x, x});
  return g.emit(b > 0 ? "Add" : "Sub", {g.scalar(a, x), square});
}

Gradients grad_sin(GradContext& g) { return {times(g, of_input(g, "Cos"))}; }
Gradients grad_cos(GradContext& g) { return {g.emit("Neg", {times(g, of_input(g, "Sin"))})}; }
Gradients grad_sinh(GradContext& g) { return {times(g, of_input(g, "Cosh"))}; }
Gradients grad_cosh(GradContext& g) { return {times(g, of_input(g, "Sinh"))}; }
Gradients grad_asin(GradContext& g) { return {over(g, g.emit("Sqrt", {quadratic(g, 1, -1)}))}; }
Gradients grad_acos(GradContext& g) { return {g.emit("Neg", grad_asin(g))}; }
Gradients grad_atan(GradContext& g) { return {over(g, quadratic(g, 1, 1))}; }
Gradients grad_asinh(GradContext& g) { return {over(g, g.emit("Sqrt", {quadratic(g, 1, 1)}))}; }
Gradients grad_acosh(GradContext& g) { return {over(g, g.emit("Sqrt", {quadratic(g, -1, 1)}))}; }
Gradients grad_atanh(GradContext& g) { return {over(g, quadratic(g, 1, -1))}; }

}  // namespace

std::span<const OpDef> trigonometry_ops() {
  static constexpr OpDef kOps[] = {
      {"Sin", infer_float_unary, grad_sin, cost_per_element<kTranscendental>},
      {"Cos", infer_float_unary, grad_cos, cost_per_element<kTranscendental>},
      {"Sinh", infer_float_unary, grad_sinh, cost_per_element<kTranscendental>},
      {"Cosh", infer_float_unary, grad_cosh, cost_per_element<kTranscendental>},
      {"Asin", infer_float_unary, grad_asin, cost_per_element<kTranscendental>},
      {"Acos", infer_float_unary, grad_acos, cost_per_element<kTranscendental>},
      {"Atan", infer_float_unary, grad_atan, cost_per_element<kTranscendental>},
      {"Asinh", infer_float_unary, grad_asinh, cost_per_element<kTranscendental>},
      {"Acosh", infer_float_unary, grad_acosh, cost_per_element<kTranscendental>},
      {"Atanh", infer_float_unary, grad_atanh, cost_per_element<kTranscendental>},
  };
  return kOps;
}

}  // namespace headrace
