#pragma once

#include <cstdint>

#include "kernels/functors/math.h"

// The float types of narrow storage: read as f32, written rounded to the nearest, ties to even.
namespace headrace::HEADRACE_ISA {

// IEEE 754 binary16.
struct Float16 {
  uint16_t bits;
};
// The upper half of an f32.
struct BFloat16 {
  uint16_t bits;
};

HEADRACE_HOST_DEVICE inline float to_f32(float x) { return x; }
HEADRACE_HOST_DEVICE inline float to_f32(BFloat16 x) {
  return float_of(static_cast<uint32_t>(x.bits) << 16);
}
HEADRACE_HOST_DEVICE inline float to_f32(Float16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t magnitude = x.bits & 0x7FFFu;
  // Subnormals (below 2^-14) count in units of 2^-24.
  if (magnitude < 0x0400u)
    return float_of(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
  const uint32_t exponent_offset = magnitude >= 0x7C00u ? 2u * 0x38000000u : 0x38000000u;
  return float_of(sign | ((magnitude << 13) + exponent_offset));
}

template <typename T>
HEADRACE_HOST_DEVICE T from_f32(float x);

template <>
HEADRACE_HOST_DEVICE inline float from_f32<float>(float x) {
  return x;
}
template <>
HEADRACE_HOST_DEVICE inline BFloat16 from_f32<BFloat16>(float x) {
  const uint32_t bits = bits_of(x);
  if (x != x) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}
template <>
HEADRACE_HOST_DEVICE inline Float16 from_f32<Float16>(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return {static_cast<uint16_t>(sign | 0x7E00u)};
  // Half of the last step above the largest finite number and more: infinity.
  if (magnitude >= 0x477FF000u) return {static_cast<uint16_t>(sign | 0x7C00u)};
  if (magnitude < 0x38800000u) {
    // Adding 0.5 leaves the number in units of 2^-24 in the low bits, rounded by the addition.
    const uint32_t units = bits_of(float_of(magnitude) + 0.5f) - 0x3F000000u;
    return {static_cast<uint16_t>(sign | units)};
  }
  const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
}

// An f32 that rounds to a narrower type as `x` itself would: what is cut off is kept as an odd last
// bit (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
HEADRACE_HOST_DEVICE inline float narrowed_to_odd(double x) {
  auto nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || x != x) return nearest;
  uint32_t bits = bits_of(nearest);
  const double magnitude = x < 0 ? -x : x;
  if (static_cast<double>(float_of(bits & 0x7FFFFFFFu)) > magnitude) --bits;
  return float_of(bits | 1u);
}

}  // namespace headrace::HEADRACE_ISA
