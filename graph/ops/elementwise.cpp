#include <optional>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// Shapes

Types infer_arithmetic(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require(in[0].dtype == in[1].dtype && in[0].dtype != DType::boolean,
          "operands {} and {}: equal number types wanted", to_string(in[0]), to_string(in[1]));
  return {{in[0].dtype, broadcast(in[0].shape, in[1].shape)}};
}

Types infer_pow(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  return {{in[0].dtype, broadcast(in[0].shape, in[1].shape)}};
}

Types infer_cast(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& to = node.attributes.get_string("to");
  const auto dtype = dtype_named(to);
  require(dtype.has_value(), "no type is named \"{}\"", to);
  return {{*dtype, in[0].shape}};
}

// Gradients

Gradients grad_neg(GradContext& g) { return {g.emit("Neg", {g.output_grad(0)})}; }

Gradients grad_abs(GradContext& g) {
  return {g.emit("Mul", {g.output_grad(0), g.emit("Sign", {g.input(0)})})};
}

Gradients grad_exp(GradContext& g) { return {g.emit("Mul", {g.output_grad(0), g.output(0)})}; }

Gradients grad_log(GradContext& g) { return {g.emit("Div", {g.output_grad(0), g.input(0)})}; }

Gradients grad_sqrt(GradContext& g) {
  const ValueId half = g.emit("Mul", {g.output_grad(0), g.scalar(0.5, g.output(0))});
  return {g.emit("Div", {half, g.output(0)})};
}

Gradients grad_reciprocal(GradContext& g) {
  const ValueId square = g.emit("Mul", {g.output(0), g.output(0)});
  return {g.emit("Neg", {g.emit("Mul", {g.output_grad(0), square})})};
}

Gradients grad_add(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return per_broadcast_input(
      g, [&] { return dy; }, [&] { return dy; });
}

Gradients grad_sub(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return per_broadcast_input(
      g, [&] { return dy; },
      [&] { return g.emit("Neg", {g.sum_to(dy, g.type(g.input(1)).shape)}); });
}

Gradients grad_mul(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return per_broadcast_input(
      g,
      [&] {
        return g.emit("Mul", {dy, g.input(1)});
      },
      [&] {
        return g.emit("Mul", {dy, g.input(0)});
      });
}

// d(a/b) = da/b - (a/b) db/b
Gradients grad_div(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return per_broadcast_input(
      g,
      [&] {
        return g.emit("Div", {dy, g.input(1)});
      },
      [&] {
        const ValueId product = g.emit("Mul", {dy, g.output(0)});
        return g.emit("Neg", {g.emit("Div", {product, g.input(1)})});
      });
}

// mod(a, b) = a - b q with q piecewise constant.
Gradients grad_mod(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  return per_broadcast_input(
      g, [&] { return dy; },
      [&] {
        const ValueId minus_bq = g.emit("Sub", {g.output(0), g.input(0)});
        return g.emit("Mul", {dy, g.emit("Div", {minus_bq, g.input(1)})});
      });
}

// The exponent when it is one constant number.
std::optional<double> constant_exponent(const GradContext& g, const Value& exponent) {
  if (exponent.role != Role::constant || exponent.type.elements() != 1 ||
      exponent.type.rank() > g.type(g.input(0)).rank())
    return std::nullopt;
  if (is_float(exponent.type.dtype)) return to_doubles(exponent.data)[0];
  return static_cast<double>(to_int64s(exponent.data)[0]);
}

// dy p x^(p-1), with the powers that a square, a square root and a division by a square root need
// written without Pow.
ValueId power_rule(GradContext& g, ValueId dy, double p) {
  const ValueId x = g.input(0);
  if (p == 1) return dy;
  const ValueId scaled = g.emit("Mul", {dy, g.scalar(p, x)});
  if (p == 2) return g.emit("Mul", {scaled, x});
  if (p == 0.5) return g.emit("Div", {scaled, g.output(0)});
  if (p == -1 || p == -0.5) return g.emit("Div", {g.emit("Mul", {scaled, g.output(0)}), x});
  return g.emit("Mul", {scaled, g.emit("Pow", {x, g.scalar(p - 1, x)})});
}

// d(a^b) = b a^(b-1) da + a^b log(a) db; the logarithm counts only where a > 0.
Gradients grad_pow(GradContext& g) {
  const ValueId dy = g.output_grad(0), a = g.input(0), y = g.output(0);
  ValueId b = g.input(1);
  if (const auto p = constant_exponent(g, g.graph().value(b)))
    return per_input(
        g, [&] { return power_rule(g, dy, *p); }, no_gradient);
  if (g.type(b).dtype != g.type(a).dtype)
    b = g.emit("Cast", {b}, {{"to", std::string(name_of(g.type(a).dtype))}});
  return per_broadcast_input(
      g,
      [&] {
        const ValueId one_less = g.emit("Sub", {b, g.scalar(1, b)});
        return g.emit("Mul", {dy, g.emit("Mul", {b, g.emit("Pow", {a, one_less})})});
      },
      [&] {
        const ValueId positive = g.emit("Greater", {a, g.scalar(0, a)});
        const ValueId log = g.emit("Where", {positive, g.emit("Log", {a}), g.scalar(0, a)});
        const ValueId db = g.emit("Mul", {dy, g.emit("Mul", {y, log})});
        const auto wanted = g.type(g.input(1)).dtype;
        return wanted == g.type(db).dtype
                   ? db
                   : g.emit("Cast", {db}, {{"to", std::string(name_of(wanted))}});
      });
}

// The gradient goes to the operand that was taken, to the first where both are equal.
Gradients grad_select(GradContext& g, const char* first_is_taken) {
  const ValueId dy = g.output_grad(0), zero = g.scalar(0, dy);
  const ValueId taken = g.emit(first_is_taken, {g.input(0), g.input(1)});
  return per_broadcast_input(
      g,
      [&] {
        return g.emit("Where", {taken, dy, zero});
      },
      [&] {
        return g.emit("Where", {taken, zero, dy});
      });
}

Gradients grad_min(GradContext& g) { return grad_select(g, "LessOrEqual"); }
Gradients grad_max(GradContext& g) { return grad_select(g, "GreaterOrEqual"); }

Gradients grad_cast(GradContext& g) {
  const auto dtype = g.type(g.input(0)).dtype;
  return {g.emit("Cast", {g.output_grad(0)}, {{"to", std::string(name_of(dtype))}})};
}

Gradients grad_identity(GradContext& g) { return {g.output_grad(0)}; }

}  // namespace

std::span<const OpDef> elementwise_ops() {
  static constexpr OpDef kOps[] = {
      {"Neg", infer_unary, grad_neg, cost_per_element<1>},
      {"Abs", infer_unary, grad_abs, cost_per_element<1>},
      {"Sign", infer_unary, zero_gradient, cost_per_element<1>},
      {"Floor", infer_float_unary, zero_gradient, cost_per_element<1>},
      {"Ceil", infer_float_unary, zero_gradient, cost_per_element<1>},
      {"Round", infer_float_unary, zero_gradient, cost_per_element<1>},
      {"Exp", infer_float_unary, grad_exp, cost_per_element<kTranscendental>},
      {"Log", infer_float_unary, grad_log, cost_per_element<kTranscendental>},
      {"Sqrt", infer_float_unary, grad_sqrt, cost_per_element<kDivision>},
      {"Reciprocal", infer_float_unary, grad_reciprocal, cost_per_element<kDivision>},
      {"Add", infer_arithmetic, grad_add, cost_per_element<1>},
      {"Sub", infer_arithmetic, grad_sub, cost_per_element<1>},
      {"Mul", infer_arithmetic, grad_mul, cost_per_element<1>},
      {"Div", infer_arithmetic, grad_div, cost_per_element<kDivision>},
      {"Mod", infer_arithmetic, grad_mod, cost_per_element<kDivision>},
      {"Pow", infer_pow, grad_pow, cost_per_element<2 * kTranscendental>},
      {"Min", infer_arithmetic, grad_min, cost_per_element<1>},
      {"Max", infer_arithmetic, grad_max, cost_per_element<1>},
      {"Cast", infer_cast, grad_cast, cost_per_element<1>},
      {"Identity", infer_unary, grad_identity, cost_per_element<0>},
  };
  return kOps;
}

}  // namespace headrace
