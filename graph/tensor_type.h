#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/dtype.h"

namespace headrace {

using Shape = std::vector<int64_t>;  // every dimension known and >= 0; empty: a scalar

// Product of the dimensions. Throws Error when it exceeds 2^59, so that bytes fit an int64_t.
int64_t element_count(std::span<const int64_t> shape);

// "[2, 3, 4]"
std::string to_string(std::span<const int64_t> shape);

// Row-major strides in elements.
Shape row_major_strides(std::span<const int64_t> shape);

// ONNX (numpy) multidirectional broadcasting. Throws Error naming both shapes.
Shape broadcast(std::span<const int64_t> a, std::span<const int64_t> b);

// Maps axis in [-rank, rank) to [0, rank). Throws Error.
int64_t normalize_axis(int64_t axis, int64_t rank);

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;

  int64_t elements() const { return element_count(shape); }
  int64_t bytes() const { return elements() * static_cast<int64_t>(size_of(dtype)); }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  bool operator==(const TensorType&) const = default;
};

// "f32[2, 3]"
std::string to_string(const TensorType& type);

}  // namespace headrace
