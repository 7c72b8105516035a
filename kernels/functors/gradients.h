#pragma once

#include "kernels/functors/unary.h"

// Gradients of the elementwise operators: (dy, v) -> dx, where v is the forward operator's output
// for Relu, Tanh and Sigmoid and its input for the others (graph/ops/README.md).
namespace headrace::HEADRACE_ISA {

struct ReluGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    return y > 0.0f ? dy : 0.0f;
  }
};
struct TanhGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    return dy * (1.0f - y * y);
  }
};
struct SigmoidGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float y, Scalars) const {
    return dy * y * (1.0f - y);
  }
};
struct GeluGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    constexpr float kSqrtHalf = 0.707106781f, kOneOverSqrtTwoPi = 0.398942280f;
    const float density = kOneOverSqrtTwoPi * exponential_of_nonpositive(-0.5f * x * x);
    return dy * (0.5f * (1.0f + error_function(x * kSqrtHalf)) + x * density);
  }
};
struct GeluTanhGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    constexpr float kLinear = GeluTanh::kLinear, kCubic = GeluTanh::kCubic;
    const float square = x * x;
    const float u = x * (kLinear + kCubic * square);
    // The logistic function of u and of -u, each to its own last place: both are factors.
    const float e = exponential_of_nonpositive(-std::fabs(u));
    const float larger = 1.0f / (1.0f + e), smaller = e * larger;
    const float share = u < 0.0f ? smaller : larger, rest = u < 0.0f ? larger : smaller;
    const float slope = kLinear + 3.0f * kCubic * square;
    return dy * (share * (1.0f + x * slope * rest));
  }
};
struct LeakyReluGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars s) const {
    return x > 0.0f ? dy : s.alpha * dy;
  }
};
struct EluGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars s) const {
    return x > 0.0f ? dy : s.alpha * dy * exponential(x);
  }
};
struct HardSigmoidGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars s) const {
    const float z = s.alpha * x + s.beta;
    return z > 0.0f && z < 1.0f ? s.alpha * dy : 0.0f;
  }
};
struct HardSwishGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    const float inside = dy * (2.0f * x + 3.0f) * (1.0f / 6.0f);
    return x <= -3.0f ? 0.0f : (x >= 3.0f ? dy : inside);
  }
};
struct SwishGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars s) const {
    const float z = s.alpha * x;
    const float sigmoid = logistic(z);
    return dy * (sigmoid + z * sigmoid * (1.0f - sigmoid));
  }
};
struct MishGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    const float t = tanh_of_softplus(x);
    return dy * (t + x * (1.0f - t * t) * logistic(x));
  }
};
struct SoftplusGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    return dy * logistic(x);
  }
};
struct ErfGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars) const {
    constexpr float kTwoOverSqrtPi = 1.12837917f;
    return dy * kTwoOverSqrtPi * exponential_of_nonpositive(-(x * x));
  }
};
struct ClipGrad {
  HEADRACE_HOST_DEVICE float operator()(float dy, float x, Scalars s) const {
    return x >= s.alpha && x <= s.beta ? dy : 0.0f;
  }
};

}  // namespace headrace::HEADRACE_ISA
