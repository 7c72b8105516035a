#include "graph/dtype.h"

#include <array>

namespace headrace {
namespace {
constexpr std::array<std::string_view, 13> kNames = {
    "f32", "f64", "f16", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"};
}

std::string_view name_of(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_named(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace headrace
