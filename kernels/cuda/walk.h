#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "graph/tensor_type.h"
#include "kernels/host_device.h"

// How kernels find an element's place in tensors that are seen through strides.
namespace headrace::cuda {

// n / divisor in 32 bits where that is enough: a GPU divides 64 bits in many steps.
HEADRACE_HOST_DEVICE inline int64_t quotient(int64_t n, int64_t divisor) {
  if (((n | divisor) >> 32) == 0)
    return static_cast<int64_t>(static_cast<uint32_t>(n) / static_cast<uint32_t>(divisor));
  return n / divisor;
}

// The places, in `operands` tensors, of the elements of one shape, numbered row-major.
// Neighbouring dimensions that every operand allows to be one are one.
template <int operands>
struct Walk {
  static constexpr int kMostDims = 8;
  int dims = 0;
  int64_t count = 1;
  int64_t extent[kMostDims] = {};  // outermost first
  int64_t stride[operands][kMostDims] = {};
  int64_t base[operands] = {};

  HEADRACE_HOST_DEVICE void find(int64_t element, int64_t (&at)[operands]) const {
    for (int k = 0; k < operands; ++k) at[k] = base[k];
    for (int d = dims - 1; d >= 0; --d) {
      const int64_t rest = d > 0 ? quotient(element, extent[d]) : 0;
      const int64_t index = element - rest * extent[d];
      for (int k = 0; k < operands; ++k) at[k] += index * stride[k][d];
      element = rest;
    }
  }
};

// Empty where more than kMostDims dimensions are left. Strides are in elements, one per dimension
// of `shape` and operand.
template <int operands>
std::optional<Walk<operands>> make_walk(const Shape& shape, const Shape (&strides)[operands]) {
  Walk<operands> walk;
  walk.count = element_count(shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    bool merges = walk.dims > 0;
    for (int k = 0; merges && k < operands; ++k)
      merges = walk.stride[k][walk.dims - 1] == strides[k][d] * shape[d];
    if (!merges && walk.dims == Walk<operands>::kMostDims) return {};
    if (merges)
      walk.extent[walk.dims - 1] *= shape[d];
    else
      walk.extent[walk.dims++] = shape[d];
    for (int k = 0; k < operands; ++k) walk.stride[k][walk.dims - 1] = strides[k][d];
  }
  return walk;
}

// The dimensions in the order in which an output with these strides is written: the largest stride
// first.
template <int operands>
std::optional<Walk<operands>> make_walk_in_order(const Shape& written, const Shape& shape,
                                                 const Shape (&strides)[operands]) {
  std::vector<size_t> order;
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return written[a] > written[b]; });
  Shape ordered;
  Shape of[operands];
  for (size_t d : order) {
    ordered.push_back(shape[d]);
    for (int k = 0; k < operands; ++k) of[k].push_back(strides[k][d]);
  }
  return make_walk(ordered, of);
}

// Strides of an operand of `own` shape and strides that broadcasts to `shape`.
inline Shape broadcast_strides(const Shape& own, const Shape& strides, const Shape& shape) {
  Shape aligned(shape.size(), 0);
  const size_t missing = shape.size() - own.size();
  for (size_t d = 0; d < own.size(); ++d)
    if (own[d] != 1) aligned[missing + d] = strides[d];
  return aligned;
}

}  // namespace headrace::cuda
