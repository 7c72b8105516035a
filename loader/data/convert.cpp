#include "loader/data/convert.h"

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "graph/error.h"
#include "loader/data/float16.h"

namespace headrace {
namespace {

struct Boolean {
  uint8_t value;
};

template <typename T>
constexpr bool kIsFloat =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// The element as a number that C++ computes with.
template <typename T>
auto number(T value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return to_float(value);
  } else if constexpr (std::is_same_v<T, Boolean>) {
    return static_cast<uint8_t>(value.value != 0);
  } else {
    return value;
  }
}

template <typename To, typename Number>
To element(Number value) {
  if constexpr (std::is_same_v<To, Float16>) {
    return to_float16(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(static_cast<float>(value));
  } else if constexpr (kIsFloat<To>) {
    return static_cast<To>(value);
  } else if constexpr (std::is_same_v<To, Boolean>) {
    if (value != 0 && value != 1) throw Error("the value {} is no bool", value);
    return {static_cast<uint8_t>(value)};
  } else {
    if (!std::in_range<To>(value))
      throw Error("the value {} does not fit an integer of {} bits", value, 8 * sizeof(To));
    return static_cast<To>(value);
  }
}

template <typename From, typename To, bool kUnitRange>
void convert(const std::byte* from, std::byte* to, size_t count) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, count * sizeof(From));
  } else {
    for (size_t i = 0; i < count; ++i) {
      From raw;
      std::memcpy(&raw, from + i * sizeof(From), sizeof(From));
      To result;
      if constexpr (kUnitRange) {
        // Divided in the type that the result has, as numpy and PyTorch do.
        using Wide = std::conditional_t<std::is_same_v<To, double>, double, float>;
        result = element<To>(static_cast<Wide>(raw) / Wide{255});
      } else {
        result = element<To>(number(raw));
      }
      std::memcpy(to + i * sizeof(To), &result, sizeof(To));
    }
  }
}

template <typename F>
auto with_element_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(std::type_identity<float>{});
    case DType::f64:
      return f(std::type_identity<double>{});
    case DType::f16:
      return f(std::type_identity<Float16>{});
    case DType::bf16:
      return f(std::type_identity<BFloat16>{});
    case DType::i8:
      return f(std::type_identity<int8_t>{});
    case DType::i16:
      return f(std::type_identity<int16_t>{});
    case DType::i32:
      return f(std::type_identity<int32_t>{});
    case DType::i64:
      return f(std::type_identity<int64_t>{});
    case DType::u8:
      return f(std::type_identity<uint8_t>{});
    case DType::u16:
      return f(std::type_identity<uint16_t>{});
    case DType::u32:
      return f(std::type_identity<uint32_t>{});
    case DType::u64:
      return f(std::type_identity<uint64_t>{});
    case DType::boolean:
      break;
  }
  return f(std::type_identity<Boolean>{});
}

}  // namespace

Conversion conversion(DType from, DType to, bool unit_range) {
  return with_element_type(from, [&]<typename From>(std::type_identity<From>) {
    return with_element_type(to, [&]<typename To>(std::type_identity<To>) -> Conversion {
      if constexpr (kIsFloat<From> && !kIsFloat<To>) {
        return nullptr;
      } else if constexpr (std::is_same_v<From, uint8_t> && kIsFloat<To>) {
        return unit_range ? convert<From, To, true> : convert<From, To, false>;
      } else {
        return convert<From, To, false>;
      }
    });
  });
}

}  // namespace headrace
