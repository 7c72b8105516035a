#pragma once

#include "kernels/functors/math.h"

// The elementwise operators of one input (graph/ops/README.md). Attributes come in Scalars: alpha
// and beta, or Clip's min and max. Comparisons are written so that a NaN comes through.
namespace headrace::HEADRACE_ISA {

struct Scalars {
  float alpha, beta;
};

struct Neg {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return -x; }
};
struct Abs {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::fabs(x); }
};
struct Exp {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return exponential(x); }
};
struct Log {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return logarithm(x); }
};
struct Sqrt {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::sqrt(x); }
};
struct Reciprocal {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return 1.0f / x; }
};
struct Erf {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return error_function(x); }
};
struct Tanh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return hyperbolic_tangent(x); }
};
struct Sigmoid {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return logistic(x); }
};
struct Relu {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return x < 0.0f ? 0.0f : x; }
};
struct Softplus {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    return (x < 0.0f ? 0.0f : x) + log_one_plus(exponential(-std::fabs(x)));
  }
};
struct Sin {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::sin(x); }
};
struct Cos {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::cos(x); }
};
struct Sinh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::sinh(x); }
};
struct Cosh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::cosh(x); }
};
struct Asin {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::asin(x); }
};
struct Acos {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::acos(x); }
};
struct Atan {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::atan(x); }
};
struct Asinh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::asinh(x); }
};
struct Acosh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::acosh(x); }
};
struct Atanh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::atanh(x); }
};
struct Floor {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::floor(x); }
};
struct Ceil {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::ceil(x); }
};
struct Round {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return std::nearbyint(x); }
};
struct Sign {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    const float one = std::copysign(1.0f, x);
    return x < 0.0f || x > 0.0f ? one : x * 0.0f + x;  // 0 for 0, NaN for NaN
  }
};
struct HardSigmoid {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    const float z = s.alpha * x + s.beta;
    const float above = z < 0.0f ? 0.0f : z;
    return above > 1.0f ? 1.0f : above;
  }
};
struct HardSwish {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    return x * HardSigmoid{}(x, {1.0f / 6.0f, 0.5f});
  }
};
struct Swish {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    return x * logistic(s.alpha * x);
  }
};
// tanh(softplus(x)), of n = exp(x) or its reciprocal, whichever is at most 1: (n^2 + 2 n) over
// (n^2 + 2 n + 2).
HEADRACE_HOST_DEVICE inline float tanh_of_softplus(float x) {
  const float n = exponential_of_nonpositive(-std::fabs(x));
  const float above = x < 0.0f ? n * (n + 2.0f) : 1.0f + 2.0f * n;
  return above / (above + (x < 0.0f ? 2.0f : 2.0f * n * n));
}
struct Mish {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const { return x * tanh_of_softplus(x); }
};
struct LeakyRelu {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    return x < 0.0f ? s.alpha * x : x;
  }
};
struct Elu {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    return x < 0.0f ? s.alpha * exp_minus_one_of_nonpositive(x) : x;
  }
};
struct Clip {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    const float above = x < s.alpha ? s.alpha : x;
    return above > s.beta ? s.beta : above;
  }
};
struct Gelu {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    constexpr float kSqrtHalf = 0.707106781f;
    return 0.5f * x * (1.0f + error_function(x * kSqrtHalf));
  }
};
// 0.5 (1 + tanh(u)) is the logistic function of 2 u, here x (kLinear + kCubic x^2). Hendrycks and
// Gimpel, arXiv:1606.08415.
struct GeluTanh {
  static constexpr float kLinear = 1.5957691216f, kCubic = 0.0713548163f;
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    return x * logistic(x * (kLinear + kCubic * (x * x)));
  }
};

}  // namespace headrace::HEADRACE_ISA
