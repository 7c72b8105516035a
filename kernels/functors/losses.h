#pragma once

#include "kernels/functors/math.h"

// Losses between two values, and their derivative by the first.
namespace headrace::HEADRACE_ISA {

struct SquaredError {
  HEADRACE_HOST_DEVICE float loss(float x, float target) const {
    return (x - target) * (x - target);
  }
  HEADRACE_HOST_DEVICE float gradient(float x, float target) const { return 2.0f * (x - target); }
};

// x is a probability; its logarithms are bounded below by -100, as PyTorch does, and the slope's
// denominator by 1e-12.
struct BinaryCrossEntropy {
  HEADRACE_HOST_DEVICE static float bounded(float log) { return log < -100.0f ? -100.0f : log; }
  // log(1 - x), with what 1 - x lost of a small x put back.
  HEADRACE_HOST_DEVICE static float log_of_rest(float x) {
    const float rest = 1.0f - x;
    const float lost = rest > 0.5f ? ((1.0f - rest) - x) / rest : 0.0f;
    return logarithm(rest) + lost;
  }
  HEADRACE_HOST_DEVICE float loss(float x, float target) const {
    return -(target * bounded(logarithm(x)) + (1.0f - target) * bounded(log_of_rest(x)));
  }
  HEADRACE_HOST_DEVICE float gradient(float x, float target) const {
    const float product = x * (1.0f - x);
    return (x - target) / (product < 1e-12f ? 1e-12f : product);
  }
};

struct BinaryCrossEntropyWithLogits {
  HEADRACE_HOST_DEVICE float loss(float x, float target) const {
    return (x < 0.0f ? 0.0f : x) - x * target + log_one_plus(exponential(-std::fabs(x)));
  }
  HEADRACE_HOST_DEVICE float gradient(float x, float target) const { return logistic(x) - target; }
};

}  // namespace headrace::HEADRACE_ISA
