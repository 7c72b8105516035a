#pragma once

#include "kernels/functors/gradients.h"

// The activations of recurrent cells that are no operators of their own, and for every activation
// whose gradient is not among gradients.h already the one that starts from its value: (dy, y) ->
// dx.
namespace headrace::HEADRACE_ISA {

struct Affine {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const { return s.alpha * x + s.beta; }
};
struct ScaledTanh {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const {
    return s.alpha * hyperbolic_tangent(s.beta * x);
  }
};
struct Softsign {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars) const {
    return x / (1.0f + std::fabs(x));
  }
};
struct ThresholdedRelu {
  HEADRACE_HOST_DEVICE float operator()(float x, Scalars s) const { return x > s.alpha ? x : 0.0f; }
};

struct AffineGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float, Scalars s) const { return s.alpha * dy; }
};
struct EluGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars s) const {
    return y < 0.0f ? dy * (y + s.alpha) : dy;
  }
};
struct HardSigmoidGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars s) const {
    return y > 0.0f && y < 1.0f ? s.alpha * dy : 0.0f;
  }
};
struct ScaledTanhGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars s) const {
    return dy * s.beta * (s.alpha - y * y / s.alpha);
  }
};
struct SoftplusGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    return -dy * exp_minus_one_of_nonpositive(-y);
  }
};
struct SoftsignGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    const float rest = 1.0f - std::fabs(y);
    return dy * rest * rest;
  }
};
struct ThresholdedReluGradFromValue {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    return y != 0.0f ? dy : 0.0f;
  }
};

}  // namespace headrace::HEADRACE_ISA
