#include "kernels/cuda/layouts.h"

#include <cstring>

#include "graph/error.h"

namespace headrace::cuda {

Layout channels_last(const TensorType& type) {
  if (type.rank() < 3 || type.rank() > 5) return {};
  return {kChannelsLast, type.bytes()};
}

Layout like(const Layout& layout, const TensorType& type) {
  return layout.id == kChannelsLast ? channels_last(type) : Layout{};
}

Shape strides_of(const TensorType& type, const Layout& layout) {
  if (layout.id == 0) return row_major_strides(type.shape);
  HEADRACE_CHECK(layout.id == kChannelsLast, "layout {}", layout.id);
  Shape strides(type.shape.size());
  int64_t stride = 1;
  strides[1] = stride;
  stride *= type.shape[1];
  for (size_t d = strides.size(); --d > 1;) {
    strides[d] = stride;
    stride *= type.shape[d];
  }
  strides[0] = stride;
  return strides;
}

void convert(const TensorType& type, const Layout& from, const Layout& to, const void* source,
             void* target) {
  const size_t size = size_of(type.dtype);
  if (from.id == to.id) {
    std::memcpy(target, source, static_cast<size_t>(type.bytes()));
    return;
  }
  const Shape read = strides_of(type, from), write = strides_of(type, to);
  Shape at(type.shape.size(), 0);
  const auto* in = static_cast<const std::byte*>(source);
  auto* out = static_cast<std::byte*>(target);
  for (int64_t left = type.elements(); left > 0; --left) {
    int64_t r = 0, w = 0;
    for (size_t d = 0; d < at.size(); ++d) {
      r += at[d] * read[d];
      w += at[d] * write[d];
    }
    std::memcpy(out + static_cast<size_t>(w) * size, in + static_cast<size_t>(r) * size, size);
    for (size_t d = at.size(); d-- > 0 && ++at[d] == type.shape[d];) at[d] = 0;
  }
}

}  // namespace headrace::cuda
