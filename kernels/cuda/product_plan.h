#pragma once

#include <cstdint>
#include <vector>

#include "graph/tensor_type.h"

namespace headrace::cuda {

// A MatMul as calls of strided-batch products of row-major matrices, all of one shape: each begins
// at a place and does `batch` products whose factors lie `stride` elements apart.
struct ProductPlan {
  struct Factor {
    int64_t rows = 0, columns = 0;  // as stored
    bool transpose = false;
    int64_t stride = 0;  // 0: the same matrix for the whole batch
  };
  struct Place {
    int64_t a = 0, b = 0, y = 0;  // elements
  };
  int64_t m = 0, n = 0, k = 0;
  Factor a, b;
  int32_t batch = 1;
  std::vector<Place> places;

  // The largest power of two up to `most` that divides every place's bytes.
  uint32_t alignment(int64_t element_bytes, uint32_t most) const;
};

// Shapes as graph/ops/README.md has MatMul's. Batches that one factor shares become rows of a
// single product, or a stride of 0; only what no stride reaches is a call of its own.
ProductPlan plan_product(const TensorType& a, bool transpose_a, const TensorType& b,
                         bool transpose_b, const TensorType& y);

}  // namespace headrace::cuda
