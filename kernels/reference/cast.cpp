#include <bit>
#include <cmath>
#include <limits>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// IEEE 754 binary16 and bfloat16, held as bits.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

double decode(Half h) {
  const int exponent = h.bits >> 10 & 31;
  const int fraction = h.bits & 1023;
  const double sign = h.bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}
double decode(BFloat16 b) { return std::bit_cast<float>(uint32_t{b.bits} << 16); }

// The nearest value of a format with `fraction_bits` and the given least exponent of a normal
// number, ties to even: scaled so that its last bit is 1, rounded, scaled back.
double round_to_format(double x, int fraction_bits, int least_exponent) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), least_exponent) - fraction_bits;
  return std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
}

void encode(double x, Half& h) {
  const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const double magnitude = std::fabs(round_to_format(x, 10, -14));
  if (std::isnan(x)) {
    h.bits = sign | 0x7e00;
  } else if (magnitude > 65504) {
    h.bits = sign | 0x7c00;
  } else if (magnitude < 0x1p-14) {
    h.bits = static_cast<uint16_t>(sign | static_cast<int>(std::ldexp(magnitude, 24)));
  } else {
    const int exponent = std::ilogb(magnitude);
    const int fraction = static_cast<int>(std::ldexp(magnitude, 10 - exponent)) - 1024;
    h.bits = static_cast<uint16_t>(sign | (exponent + 15) << 10 | fraction);
  }
}
void encode(double x, BFloat16& b) {
  // Every rounded value is a float whose low 16 bits are zero, an overflow becomes infinite.
  const auto rounded = static_cast<float>(std::isnan(x) ? x : round_to_format(x, 7, -126));
  b.bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) >> 16);
}

template <typename T>
constexpr bool is_16bit_float = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Floats become integers by truncation; what an integer cannot hold becomes its nearest value, NaN
// 0.
template <typename To, typename From>
To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (is_16bit_float<From>) {
    return convert<To>(decode(x));
  } else if constexpr (is_16bit_float<To>) {
    To result;
    encode(static_cast<double>(x), result);
    return result;
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    using Limits = std::numeric_limits<To>;
    if (std::isnan(x)) return 0;
    if (x <= static_cast<From>(Limits::min())) return Limits::min();
    if (x >= static_cast<From>(Limits::max())) return Limits::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <typename Make>
Loop for_any(DType dtype, Make make) {
  if (dtype == DType::f16) return make.template operator()<Half>();
  if (dtype == DType::bf16) return make.template operator()<BFloat16>();
  if (dtype == DType::boolean) return make.template operator()<bool>();
  return for_number(dtype, make);
}

}  // namespace

// The target dtype is the request's, so that a graph evaluated in f64 stays in f64.
Loop cast(const KernelRequest& request) {
  if (request.node->op != "Cast") return {};
  const int64_t count = request.output_types[0].elements();
  return for_any(request.input_types[0].dtype, [&]<typename From>() {
    return for_any(request.output_types[0].dtype, [&]<typename To>() -> Loop {
      return [count](const KernelArgs& args) {
        for (int64_t i = 0; i < count; ++i)
          output<To>(args, 0)[i] = convert<To>(input<From>(args, 0)[i]);
      };
    });
  });
}

}  // namespace headrace::reference
