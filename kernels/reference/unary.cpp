#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Attributes of the elementwise operators, with ONNX's defaults.
struct Settings {
  double alpha, beta, min, max;
  bool tanh_form;
};

Settings settings_of(const Node& node) {
  const Attributes& a = node.attributes;
  const double infinity = std::numeric_limits<double>::infinity();
  const double alpha = node.op == "Elu" || node.op == "EluGrad"               ? 1.0
                       : node.op == "LeakyRelu" || node.op == "LeakyReluGrad" ? 0.01
                                                                              : 0.2;
  return {a.get_float("alpha", alpha), a.get_float("beta", 0.5), a.get_float("min", -infinity),
          a.get_float("max", infinity), a.get_string("approximate", "none") == "tanh"};
}

const double kSqrtHalf = std::sqrt(0.5);
const double kTwoOverSqrtPi = 2 / std::sqrt(std::acos(-1.0));
const double kSqrtTwoOverPi = std::sqrt(2 / std::acos(-1.0));
constexpr double kGeluCubic = 0.044715;  // Hendrycks and Gimpel, arXiv:1606.08415

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

double hard_sigmoid(double x, double alpha, double beta) {
  return std::clamp(alpha * x + beta, 0.0, 1.0);
}

double gelu(double x, const Settings& s) {
  if (s.tanh_form) return 0.5 * x * (1 + std::tanh(kSqrtTwoOverPi * (x + kGeluCubic * x * x * x)));
  return 0.5 * x * std::erfc(-x * kSqrtHalf);
}

double gelu_gradient(double x, const Settings& s) {
  if (s.tanh_form) {
    const double t = std::tanh(kSqrtTwoOverPi * (x + kGeluCubic * x * x * x));
    const double inner = kSqrtTwoOverPi * (1 + 3 * kGeluCubic * x * x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
  }
  const double density = kTwoOverSqrtPi * kSqrtHalf / 2 * std::exp(-0.5 * x * x);
  return 0.5 * std::erfc(-x * kSqrtHalf) + x * density;
}

// `bound` as a T, the nearest where T cannot hold it.
template <typename T>
T saturate(double bound) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(bound);
  } else {
    using Limits = std::numeric_limits<T>;
    if (bound <= static_cast<double>(Limits::min())) return Limits::min();
    if (bound >= static_cast<double>(Limits::max())) return Limits::max();
    return static_cast<T>(bound);
  }
}

using S = const Settings&;
template <typename T>
using UnaryFunction = T (*)(T x, const Settings&);
template <typename T>
struct NamedUnary {
  std::string_view op;
  UnaryFunction<T> function;
};

template <typename T>
Loop map(std::span<const NamedUnary<T>> functions, const KernelRequest& request) {
  for (const auto& [op, f] : functions) {
    if (op != request.node->op) continue;
    const int64_t count = request.output_types[0].elements();
    return [count, f = f, s = settings_of(*request.node)](const KernelArgs& args) {
      const T* x = input<T>(args, 0);
      T* y = output<T>(args, 0);
      for (int64_t i = 0; i < count; ++i) y[i] = f(x[i], s);
    };
  }
  return {};
}

// Comparisons are written so that a NaN comes through.
template <typename T>
Loop number_unary(const KernelRequest& request) {
  static constexpr NamedUnary<T> functions[] = {
      {"Identity", [](T x, S) { return x; }},
      {"Relu", [](T x, S) { return x < T{0} ? T{0} : x; }},
      {"Clip",
       [](T x, S s) {
         const T low = saturate<T>(s.min), high = saturate<T>(s.max);
         const T above = x < low ? low : x;
         return above > high ? high : above;
       }},
  };
  return map<T>(functions, request);
}

template <typename T>
T wrapping_negate(T x) {
  return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(x));
}

template <typename T>
Loop integer_unary(const KernelRequest& request) {
  static constexpr NamedUnary<T> functions[] = {
      {"Neg", [](T x, S) { return wrapping_negate(x); }},
      {"Abs", [](T x, S) { return x < T{0} ? wrapping_negate(x) : x; }},
      {"Sign", [](T x, S) { return static_cast<T>((x > T{0}) - (x < T{0})); }},
  };
  if (Loop loop = map<T>(functions, request)) return loop;
  return number_unary<T>(request);
}

// The float functions are computed in double whatever the dtype.
using FloatFunction = double (*)(double x, const Settings&);
struct NamedFloatFunction {
  std::string_view op;
  FloatFunction function;
};
constexpr NamedFloatFunction kFloatFunctions[] = {
    {"Neg", [](double x, S) { return -x; }},
    {"Abs", [](double x, S) { return std::fabs(x); }},
    {"Sign", [](double x, S) { return std::isnan(x) ? x : (x > 0) - (x < 0); }},
    {"Exp", [](double x, S) { return std::exp(x); }},
    {"Log", [](double x, S) { return std::log(x); }},
    {"Sqrt", [](double x, S) { return std::sqrt(x); }},
    {"Reciprocal", [](double x, S) { return 1 / x; }},
    {"Erf", [](double x, S) { return std::erf(x); }},
    {"Tanh", [](double x, S) { return std::tanh(x); }},
    {"Sigmoid", [](double x, S) { return sigmoid(x); }},
    {"Softplus", [](double x, S) { return softplus(x); }},
    {"Sin", [](double x, S) { return std::sin(x); }},
    {"Cos", [](double x, S) { return std::cos(x); }},
    {"Sinh", [](double x, S) { return std::sinh(x); }},
    {"Cosh", [](double x, S) { return std::cosh(x); }},
    {"Asin", [](double x, S) { return std::asin(x); }},
    {"Acos", [](double x, S) { return std::acos(x); }},
    {"Atan", [](double x, S) { return std::atan(x); }},
    {"Asinh", [](double x, S) { return std::asinh(x); }},
    {"Acosh", [](double x, S) { return std::acosh(x); }},
    {"Atanh", [](double x, S) { return std::atanh(x); }},
    {"Floor", [](double x, S) { return std::floor(x); }},
    {"Ceil", [](double x, S) { return std::ceil(x); }},
    {"Round", [](double x, S) { return std::nearbyint(x); }},
    {"HardSwish", [](double x, S) { return x * hard_sigmoid(x, 1.0 / 6, 0.5); }},
    {"Swish", [](double x, S s) { return x * sigmoid(s.alpha * x); }},
    {"Mish", [](double x, S) { return x * std::tanh(softplus(x)); }},
    {"LeakyRelu", [](double x, S s) { return x < 0 ? s.alpha * x : x; }},
    {"Elu", [](double x, S s) { return x < 0 ? s.alpha * std::expm1(x) : x; }},
    {"HardSigmoid", [](double x, S s) { return hard_sigmoid(x, s.alpha, s.beta); }},
    {"Gelu", [](double x, S s) { return gelu(x, s); }},
};

template <typename T>
Loop float_unary(const KernelRequest& request) {
  for (const auto& [op, f] : kFloatFunctions) {
    if (op != request.node->op) continue;
    const int64_t count = request.output_types[0].elements();
    return [count, f = f, s = settings_of(*request.node)](const KernelArgs& args) {
      const T* x = input<T>(args, 0);
      T* y = output<T>(args, 0);
      for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(x[i], s));
    };
  }
  return number_unary<T>(request);
}

// `v` is the forward operator's output y or its input x, as graph/ops/README.md has it.
using Gradient = double (*)(double dy, double v, const Settings&);
struct NamedGradient {
  std::string_view op;
  Gradient gradient;
};
constexpr NamedGradient kGradients[] = {
    {"ReluGrad", [](double dy, double y, S) { return y > 0 ? dy : 0; }},
    {"TanhGrad", [](double dy, double y, S) { return dy * (1 - y * y); }},
    {"SigmoidGrad", [](double dy, double y, S) { return dy * y * (1 - y); }},
    {"GeluGrad", [](double dy, double x, S s) { return dy * gelu_gradient(x, s); }},
    {"LeakyReluGrad", [](double dy, double x, S s) { return x > 0 ? dy : s.alpha * dy; }},
    {"EluGrad", [](double dy, double x, S s) { return x > 0 ? dy : s.alpha * dy * std::exp(x); }},
    {"HardSigmoidGrad",
     [](double dy, double x, S s) {
       const double z = s.alpha * x + s.beta;
       return z > 0 && z < 1 ? s.alpha * dy : 0;
     }},
    {"HardSwishGrad",
     [](double dy, double x, S) { return x <= -3  ? 0
                                         : x >= 3 ? dy
                                                  : dy * (2 * x + 3) / 6; }},
    {"SwishGrad",
     [](double dy, double x, S s) {
       const double z = s.alpha * x, y = sigmoid(z);
       return dy * (y + z * y * (1 - y));
     }},
    {"MishGrad",
     [](double dy, double x, S) {
       const double t = std::tanh(softplus(x));
       return dy * (t + x * (1 - t * t) * sigmoid(x));
     }},
    {"SoftplusGrad", [](double dy, double x, S) { return dy * sigmoid(x); }},
    {"ErfGrad", [](double dy, double x, S) { return dy * kTwoOverSqrtPi * std::exp(-x * x); }},
    {"ClipGrad", [](double dy, double x, S s) { return x >= s.min && x <= s.max ? dy : 0; }},
};

template <typename T>
Loop float_gradient(const KernelRequest& request) {
  for (const auto& [op, f] : kGradients) {
    if (op != request.node->op) continue;
    const int64_t count = request.output_types[0].elements();
    return [count, f = f, s = settings_of(*request.node)](const KernelArgs& args) {
      const T* dy = input<T>(args, 0);
      const T* v = input<T>(args, 1);
      T* dx = output<T>(args, 0);
      for (int64_t i = 0; i < count; ++i) dx[i] = static_cast<T>(f(dy[i], v[i], s));
    };
  }
  return {};
}

}  // namespace

Loop unary(const KernelRequest& request) {
  if (request.input_types.size() != 1) return {};
  const DType dtype = request.input_types[0].dtype;
  if (is_float(dtype))
    return for_float(dtype, [&]<typename T>() { return float_unary<T>(request); });
  return for_number(dtype, [&]<typename T>() -> Loop {
    if constexpr (std::is_integral_v<T>) return integer_unary<T>(request);
    return {};
  });
}

Loop unary_gradient(const KernelRequest& request) {
  if (request.input_types.size() != 2) return {};
  return for_float(request.input_types[0].dtype,
                   [&]<typename T>() { return float_gradient<T>(request); });
}

}  // namespace headrace::reference
