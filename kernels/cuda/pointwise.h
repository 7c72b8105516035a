#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "graph/graph.h"
#include "kernels/functors/binary.h"
#include "kernels/functors/gradients.h"
#include "kernels/functors/unary.h"
#include "kernels/host_device.h"

// The elementwise functions of floats, picked at run time: all threads take the same way, and
// memory is what they wait for.
namespace headrace::cuda {

using portable::Scalars;

inline constexpr std::string_view kUnary[] = {
    "Neg",   "Abs",  "Exp",   "Log",         "Sqrt",      "Reciprocal", "Erf",
    "Tanh",  "Relu", "Sin",   "Cos",         "Sinh",      "Cosh",       "Asin",
    "Acos",  "Atan", "Asinh", "Acosh",       "Atanh",     "Floor",      "Ceil",
    "Round", "Sign", "Mish",  "HardSigmoid", "HardSwish", "Swish",      "LeakyRelu",
    "Elu",   "Clip", "Gelu",  "GeluTanh",    "Softplus",  "Sigmoid"};
inline constexpr std::string_view kGradients[] = {
    "ReluGrad", "TanhGrad",        "SigmoidGrad",   "GeluGrad",  "GeluTanhGrad",
    "EluGrad",  "HardSigmoidGrad", "HardSwishGrad", "SwishGrad", "LeakyReluGrad",
    "MishGrad", "SoftplusGrad",    "ErfGrad",       "ClipGrad"};

// Where an operator stands in its list; the functor's name is the operator's, but for Gelu's forms.
template <size_t n>
consteval int place_of(const std::string_view (&list)[n], std::string_view name) {
  for (size_t i = 0; i < n; ++i)
    if (list[i] == name) return static_cast<int>(i);
  throw "no such function";
}
// -1: none.
template <size_t n>
int function_of(const std::string_view (&list)[n], const Node& node) {
  const bool tanh_form = node.attributes.get_string("approximate", "none") == "tanh";
  const std::string_view name = !tanh_form          ? std::string_view(node.op)
                                : node.op == "Gelu" ? "GeluTanh"
                                                    : "GeluTanhGrad";
  for (size_t i = 0; i < n; ++i)
    if (list[i] == name) return static_cast<int>(i);
  return -1;
}

HEADRACE_HOST_DEVICE inline float apply_unary(int function, float x, Scalars s) {
  using namespace portable;
  switch (function) {
    case place_of(kUnary, "Neg"):
      return Neg{}(x, s);
    case place_of(kUnary, "Abs"):
      return Abs{}(x, s);
    case place_of(kUnary, "Exp"):
      return Exp{}(x, s);
    case place_of(kUnary, "Log"):
      return Log{}(x, s);
    case place_of(kUnary, "Sqrt"):
      return Sqrt{}(x, s);
    case place_of(kUnary, "Reciprocal"):
      return Reciprocal{}(x, s);
    case place_of(kUnary, "Erf"):
      return Erf{}(x, s);
    case place_of(kUnary, "Tanh"):
      return Tanh{}(x, s);
    case place_of(kUnary, "Sigmoid"):
      return Sigmoid{}(x, s);
    case place_of(kUnary, "Relu"):
      return Relu{}(x, s);
    case place_of(kUnary, "Softplus"):
      return Softplus{}(x, s);
    case place_of(kUnary, "Sin"):
      return Sin{}(x, s);
    case place_of(kUnary, "Cos"):
      return Cos{}(x, s);
    case place_of(kUnary, "Sinh"):
      return Sinh{}(x, s);
    case place_of(kUnary, "Cosh"):
      return Cosh{}(x, s);
    case place_of(kUnary, "Asin"):
      return Asin{}(x, s);
    case place_of(kUnary, "Acos"):
      return Acos{}(x, s);
    case place_of(kUnary, "Atan"):
      return Atan{}(x, s);
    case place_of(kUnary, "Asinh"):
      return Asinh{}(x, s);
    case place_of(kUnary, "Acosh"):
      return Acosh{}(x, s);
    case place_of(kUnary, "Atanh"):
      return Atanh{}(x, s);
    case place_of(kUnary, "Floor"):
      return Floor{}(x, s);
    case place_of(kUnary, "Ceil"):
      return Ceil{}(x, s);
    case place_of(kUnary, "Round"):
      return Round{}(x, s);
    case place_of(kUnary, "Sign"):
      return Sign{}(x, s);
    case place_of(kUnary, "HardSigmoid"):
      return HardSigmoid{}(x, s);
    case place_of(kUnary, "HardSwish"):
      return HardSwish{}(x, s);
    case place_of(kUnary, "Swish"):
      return Swish{}(x, s);
    case place_of(kUnary, "Mish"):
      return Mish{}(x, s);
    case place_of(kUnary, "LeakyRelu"):
      return LeakyRelu{}(x, s);
    case place_of(kUnary, "Elu"):
      return Elu{}(x, s);
    case place_of(kUnary, "Clip"):
      return Clip{}(x, s);
    case place_of(kUnary, "Gelu"):
      return Gelu{}(x, s);
    default:
      return GeluTanh{}(x, s);
  }
}

HEADRACE_HOST_DEVICE inline float apply_gradient(int function, float dy, float v, Scalars s) {
  using namespace portable;
  switch (function) {
    case place_of(kGradients, "ReluGrad"):
      return ReluGrad{}(dy, v, s);
    case place_of(kGradients, "TanhGrad"):
      return TanhGrad{}(dy, v, s);
    case place_of(kGradients, "SigmoidGrad"):
      return SigmoidGrad{}(dy, v, s);
    case place_of(kGradients, "GeluGrad"):
      return GeluGrad{}(dy, v, s);
    case place_of(kGradients, "LeakyReluGrad"):
      return LeakyReluGrad{}(dy, v, s);
    case place_of(kGradients, "EluGrad"):
      return EluGrad{}(dy, v, s);
    case place_of(kGradients, "HardSigmoidGrad"):
      return HardSigmoidGrad{}(dy, v, s);
    case place_of(kGradients, "HardSwishGrad"):
      return HardSwishGrad{}(dy, v, s);
    case place_of(kGradients, "SwishGrad"):
      return SwishGrad{}(dy, v, s);
    case place_of(kGradients, "MishGrad"):
      return MishGrad{}(dy, v, s);
    case place_of(kGradients, "SoftplusGrad"):
      return SoftplusGrad{}(dy, v, s);
    case place_of(kGradients, "ErfGrad"):
      return ErfGrad{}(dy, v, s);
    case place_of(kGradients, "ClipGrad"):
      return ClipGrad{}(dy, v, s);
    default:
      return GeluTanhGrad{}(dy, v, s);
  }
}

// Attributes with ONNX's defaults.
inline Scalars scalars_of(const Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Attributes& a = node.attributes;
  if (node.op.starts_with("Clip"))
    return {static_cast<float>(a.get_float("min", -kInfinity)),
            static_cast<float>(a.get_float("max", kInfinity))};
  const double alpha = node.op.starts_with("Elu") ? 1.0 : node.op.starts_with("Leaky") ? 0.01 : 0.2;
  return {static_cast<float>(a.get_float("alpha", alpha)),
          static_cast<float>(a.get_float("beta", 0.5))};
}

enum class Arithmetic : uint8_t {
  add,
  sub,
  mul,
  div,
  min,
  max,
  pow,
  fmod,
  // Pow to a constant power.
  square,
  cube,
  sqrt,
  reciprocal,
  none
};
HEADRACE_HOST_DEVICE inline float apply_arithmetic(Arithmetic function, float a, float b) {
  using namespace portable;
  switch (function) {
    case Arithmetic::add:
      return Add{}(a, b);
    case Arithmetic::sub:
      return Sub{}(a, b);
    case Arithmetic::mul:
      return Mul{}(a, b);
    case Arithmetic::div:
      return Div{}(a, b);
    case Arithmetic::min:
      return Min{}(a, b);
    case Arithmetic::max:
      return Max{}(a, b);
    case Arithmetic::fmod:
      return Fmod{}(a, b);
    case Arithmetic::square:
      return a * a;
    case Arithmetic::cube:
      return a * a * a;
    case Arithmetic::sqrt:
      return std::sqrt(a);
    case Arithmetic::reciprocal:
      return 1.0f / a;
    default:
      return Pow{}(a, b);
  }
}

inline Arithmetic arithmetic_of(const Node& node) {
  if (node.op == "Add") return Arithmetic::add;
  if (node.op == "Sub") return Arithmetic::sub;
  if (node.op == "Mul") return Arithmetic::mul;
  if (node.op == "Div") return Arithmetic::div;
  if (node.op == "Min") return Arithmetic::min;
  if (node.op == "Max") return Arithmetic::max;
  if (node.op == "Pow") return Arithmetic::pow;
  if (node.op == "Mod" && node.attributes.get_int("fmod", 0) != 0) return Arithmetic::fmod;
  return Arithmetic::none;
}

}  // namespace headrace::cuda
