#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/functors/isa.h"

// Elementary functions as straight-line f32 arithmetic, so that a plain loop over them is
// vectorised. Polynomials are minimax fits (Lawson-weighted least squares) of the function named
// beside them; errors are a few units in the last place over the whole range, and infinities and
// NaN come out as in <cmath>.
namespace headrace::HEADRACE_ISA {

HEADRACE_HOST_DEVICE inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

HEADRACE_HOST_DEVICE inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// 2^n for -126 <= n <= 127.
HEADRACE_HOST_DEVICE inline float power_of_two(int32_t n) {
  return float_of(static_cast<uint32_t>(n + 127) << 23);
}

// exp(r) and n of x = n ln 2 + r, with exp(r) = 1 + r + r^2 P(r); ln 2 in two parts (Cody and
// Waite). n stands in the low bits of `shifted`, which is defined for NaN too.
struct SplitExponential {
  float power, shifted;
};
HEADRACE_HOST_DEVICE inline SplitExponential split_exponential(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.3951717e-3f;
  p = p * r + 8.369599e-3f;
  p = p * r + 4.1666187e-2f;
  p = p * r + 1.6666512e-1f;
  p = p * r + 0.5f;
  p = (p * r) * r + r + 1.0f;
  return {p, shifted};
}

HEADRACE_HOST_DEVICE inline float exponential(float x) {
  // Beyond these the result is inf or 0 whatever the argument; NaN passes both comparisons.
  float bounded = x > 89.0f ? 89.0f : x;
  bounded = bounded < -104.0f ? -104.0f : bounded;
  const SplitExponential e = split_exponential(bounded);
  // Halved, so that both powers are finite and a denormal result is rounded once.
  const int32_t exponent = static_cast<int32_t>(bits_of(e.shifted)) - 0x4B400000;
  const int32_t half = exponent >> 1;
  return e.power * power_of_two(half) * power_of_two(exponent - half);
}

// As exponential, for arguments <= 0 (or a little above) whose result may be flushed to 0 below
// 1e-37: the inner loop of every softmax.
HEADRACE_HOST_DEVICE inline float exponential_of_nonpositive(float x) {
  constexpr float kLowest = -86.6f;
  const SplitExponential e = split_exponential(x < kLowest ? kLowest : x);
  const float scale = float_of((bits_of(e.shifted) << 23) + 0x3F800000u);
  return x < kLowest ? 0.0f : e.power * scale;
}

// log(1 + f) = f - f^2 / 2 + f^3 P(f) for sqrt(1/2) <= 1 + f < sqrt(2).
HEADRACE_HOST_DEVICE inline float logarithm(float x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kSmallestNormal = 1.17549435e-38f;
  const bool denormal = x < kSmallestNormal;
  const float scaled = denormal ? x * 8388608.0f : x;
  const uint32_t bits = bits_of(scaled);
  // Moving the mantissa's range to [sqrt(1/2), sqrt(2)) before the exponent is split off.
  const uint32_t moved = bits - 0x3F3504F3u;
  const int32_t exponent = static_cast<int32_t>(moved) >> 23;
  const float f = float_of((moved & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
  const float n = static_cast<float>(exponent) - (denormal ? 23.0f : 0.0f);
  float p = -7.859546e-2f;
  p = p * f + 1.2881622e-1f;
  p = p * f - 1.3128768e-1f;
  p = p * f + 1.4181197e-1f;
  p = p * f - 1.6624554e-1f;
  p = p * f + 2.0002286e-1f;
  p = p * f - 2.500081e-1f;
  p = p * f + 3.3333316e-1f;
  const float squared = f * f;
  float result = (p * f) * squared + n * kLn2Low;
  result = result - 0.5f * squared + f + n * kLn2High;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  result = x > 0.0f ? result : -kInfinity;
  result = x < 0.0f ? std::numeric_limits<float>::quiet_NaN() : result;
  return x < kInfinity ? result : x;  // inf and NaN come through
}

// log(1 + t) for 0 <= t <= 1, exact to rounding for small t: the error of 1 + t is put back.
HEADRACE_HOST_DEVICE inline float log_one_plus(float t) {
  const float u = 1.0f + t;
  return logarithm(u) + (t - (u - 1.0f)) / u;
}

// exp(x) - 1 for x <= 0.
HEADRACE_HOST_DEVICE inline float exp_minus_one_of_nonpositive(float x) {
  float p = 1.9992897e-4f;
  p = p * x + 1.3997457e-3f;
  p = p * x + 8.333073e-3f;
  p = p * x + 4.1665316e-2f;
  p = p * x + 1.6666669e-1f;
  p = p * x + 0.5f;
  const float near = (p * x) * x + x;
  return x > -0.5f ? near : exponential(x) - 1.0f;
}

// tanh(x) = x + x^3 P(x^2) for |x| < 0.625, else 1 - 2 / (exp(2 |x|) + 1) with x's sign.
HEADRACE_HOST_DEVICE inline float hyperbolic_tangent(float x) {
  const float magnitude = std::fabs(x);
  const float s = x * x;
  float p = -5.717037e-3f;
  p = p * s + 2.0650579e-2f;
  p = p * s - 5.3743497e-2f;
  p = p * s + 1.3331491e-1f;
  p = p * s - 3.3333284e-1f;
  const float near = (p * s) * x + x;
  const float bounded = magnitude > 10.0f ? 10.0f : magnitude;
  const float far = std::copysign(1.0f - 2.0f / (exponential(2.0f * bounded) + 1.0f), x);
  return magnitude < 0.625f ? near : far;
}

HEADRACE_HOST_DEVICE inline float logistic(float x) {
  // exp(-x) overflows to inf for very negative x, and 1 / inf is the 0 that is wanted.
  return 1.0f / (1.0f + exponential(-x));
}

// erf(x) = x P(x^2) for |x| < 1, else 1 - exp(Q(|x|)) with Q the logarithm of erfc on [1, 4].
HEADRACE_HOST_DEVICE inline float error_function(float x) {
  const float magnitude = std::fabs(x);
  const float s = x * x;
  float p = 7.853854e-5f;
  p = p * s - 8.0101914e-4f;
  p = p * s + 5.1883273e-3f;
  p = p * s - 2.6853811e-2f;
  p = p * s + 1.12835854e-1f;
  p = p * s - 3.7612626e-1f;
  p = p * s + 1.1283791f;
  const float near = p * x;
  const float a = magnitude > 4.0f ? 4.0f : magnitude;
  float q = -1.1673935e-3f;
  q = q * a + 1.4913916e-2f;
  q = q * a - 8.905845e-2f;
  q = q * a - 6.538413e-1f;
  q = q * a - 1.117922f;
  q = q * a - 2.5303285e-3f;
  const float far = std::copysign(1.0f - exponential_of_nonpositive(q), x);
  return magnitude < 1.0f ? near : far;
}

}  // namespace headrace::HEADRACE_ISA
