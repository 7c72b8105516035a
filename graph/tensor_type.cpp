#include "graph/tensor_type.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "graph/error.h"

namespace headrace {

int64_t element_count(std::span<const int64_t> shape) {
  constexpr int64_t kLargest = int64_t{1} << 59;
  int64_t count = 1;
  bool overflow = false;
  for (int64_t d : shape) {
    if (d < 0) throw Error("shape {} has a negative dimension", to_string(shape));
    if (d == 0) return 0;
    overflow = overflow || __builtin_mul_overflow(count, d, &count) || count > kLargest;
    if (overflow) count = 1;
  }
  if (overflow) throw Error("shape {} has more elements than memory can hold", to_string(shape));
  return count;
}

std::string to_string(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Shape row_major_strides(std::span<const int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

Shape broadcast(std::span<const int64_t> a, std::span<const int64_t> b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1)
      throw Error("shapes {} and {} do not broadcast", to_string(a), to_string(b));
    result[result.size() - 1 - i] = da == 1 ? db : da;
  }
  return result;
}

int64_t normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    throw Error("axis {} is outside a tensor of rank {}", axis, rank);
  return axis < 0 ? axis + rank : axis;
}

std::string to_string(const TensorType& type) {
  return fmt::format("{}{}", name_of(type.dtype), to_string(type.shape));
}

}  // namespace headrace
