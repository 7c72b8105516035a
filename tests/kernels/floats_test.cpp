#include "kernels/functors/floats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace headrace::portable {
namespace {

// A binary format by its numbers: value = (-1)^sign fraction 2^exponent.
struct Format {
  int fraction_bits, least_exponent;  // of a normal number
  double largest;
  uint16_t infinity;
};
constexpr Format kHalf{10, -14, 65504, 0x7C00};
constexpr Format kBrain{7, -126, 0x1.FEp127, 0x7F80};

double decoded(const Format& f, uint16_t bits) {
  const int fraction = bits & ((1 << f.fraction_bits) - 1);
  const int exponent = (bits & 0x7FFF) >> f.fraction_bits;
  const double sign = bits & 0x8000 ? -1 : 1;
  if ((bits & 0x7FFF) == f.infinity) return sign * HUGE_VAL;
  if ((bits & 0x7FFF) > f.infinity) return std::nan("");
  if (exponent == 0) return sign * std::ldexp(fraction, f.least_exponent - f.fraction_bits);
  return sign * std::ldexp(fraction + (1 << f.fraction_bits),
                           exponent - 1 + f.least_exponent - f.fraction_bits);
}

// The nearest number of the format, ties to even, in f64 arithmetic.
double nearest(const Format& f, double x) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int step = std::max(std::ilogb(x), f.least_exponent) - f.fraction_bits;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -step)), step);
  return std::fabs(rounded) > f.largest ? std::copysign(HUGE_VAL, x) : rounded;
}

template <typename T>
void expect_nearest(const Format& f, double exact, T got) {
  const double wanted = nearest(f, exact), is = decoded(f, got.bits);
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(is)) << exact;
    return;
  }
  EXPECT_EQ(wanted, is) << exact;
  EXPECT_EQ(std::signbit(exact), std::signbit(is)) << exact;
}

template <typename T>
void check_every_pattern(const Format& f) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const T narrow{static_cast<uint16_t>(bits)};
    const float wide = to_f32(narrow);
    const double exact = decoded(f, narrow.bits);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(wide));
      EXPECT_TRUE(std::isnan(to_f32(from_f32<T>(wide))));
      continue;
    }
    ASSERT_EQ(static_cast<double>(wide), exact) << bits;
    ASSERT_EQ(from_f32<T>(wide).bits, bits);
  }
}

// At, just below and just above every number of the format and every middle between two.
template <typename T>
void check_rounding(const Format& f) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (uint32_t bits = 0; bits < f.infinity; ++bits) {
    const double low = decoded(f, static_cast<uint16_t>(bits));
    const double high = bits + 1 == f.infinity ? 2 * f.largest - decoded(f, f.infinity - 2)
                                               : decoded(f, static_cast<uint16_t>(bits + 1));
    for (const double at : {low, (low + high) / 2}) {
      const auto x = static_cast<float>(at);
      for (const float near : {std::nextafter(x, -infinity), x, std::nextafter(x, infinity)})
        for (const float value : {near, -near})
          expect_nearest(f, static_cast<double>(value), from_f32<T>(value));
    }
  }
  for (const float x : {infinity, -infinity, std::numeric_limits<float>::max(),
                        std::numeric_limits<float>::denorm_min(), 0.0f, -0.0f,
                        std::numeric_limits<float>::quiet_NaN(), float_of(0x7F800001u)})
    expect_nearest(f, static_cast<double>(x), from_f32<T>(x));
}

TEST(Floats, EveryHalfComesBack) { check_every_pattern<Float16>(kHalf); }
TEST(Floats, EveryBrainFloatComesBack) { check_every_pattern<BFloat16>(kBrain); }
TEST(Floats, HalfIsTheNearest) { check_rounding<Float16>(kHalf); }
TEST(Floats, BrainFloatIsTheNearest) { check_rounding<BFloat16>(kBrain); }

// f64 by way of an f32 that keeps what is cut off as an odd bit: rounded once, not twice.
TEST(Floats, DoublesAreRoundedOnce) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200000; ++i) {
    const uint16_t bits = static_cast<uint16_t>(random() % kHalf.infinity);
    const double low = decoded(kHalf, bits);
    const double step = std::ldexp(1, std::max(std::ilogb(std::max(low, 0x1p-24)), -14) - 10);
    const double offset = std::ldexp(static_cast<double>(random() % 3) - 1, -30);
    const double x = low + step * (0.5 + offset);
    expect_nearest(kHalf, x, from_f32<Float16>(narrowed_to_odd(x)));
    expect_nearest(kHalf, -x, from_f32<Float16>(narrowed_to_odd(-x)));
    expect_nearest(kBrain, x, from_f32<BFloat16>(narrowed_to_odd(x)));
  }
  for (const double x : {1e300, -1e300, 1e-300, HUGE_VAL, std::nan("")}) {
    expect_nearest(kHalf, x, from_f32<Float16>(narrowed_to_odd(x)));
    expect_nearest(kBrain, x, from_f32<BFloat16>(narrowed_to_odd(x)));
  }
}

}  // namespace
}  // namespace headrace::portable
