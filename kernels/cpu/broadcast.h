#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/tensor_type.h"

namespace headrace::cpu {

// A loop nest over the elements of one row-major output and of up to three operands that broadcast
// to it (or are seen through other strides), with neighbouring dimensions merged where every
// operand allows it. The innermost dimension is a row; `rows` counts the others.
class Broadcast {
 public:
  static constexpr size_t kOperands = 3;

  // Operands of ONNX broadcasting.
  Broadcast(const Shape& output, std::span<const Shape> operands);
  // Operands by strides, one per dimension of `output`.
  static Broadcast from_strides(const Shape& output, std::span<const Shape> strides);

  int64_t row_length() const { return row_length_; }
  int64_t rows() const { return rows_; }
  // The stride of an operand along the row, in elements: 0 or 1 for a broadcast operand.
  int64_t row_stride(size_t operand) const { return row_strides_[operand]; }

  // Calls body(row, offsets) for each row in [begin, end), offsets in elements.
  template <typename Body>
  void for_rows(int64_t begin, int64_t end, Body body) const {
    std::array<int64_t, kMaxRank> index{};
    std::array<int64_t, kOperands> offsets{};
    int64_t rest = begin;
    for (size_t d = dims_.size(); d-- > 0;) {
      index[d] = rest % dims_[d].extent;
      rest /= dims_[d].extent;
      for (size_t k = 0; k < kOperands; ++k) offsets[k] += index[d] * dims_[d].strides[k];
    }
    for (int64_t row = begin; row < end; ++row) {
      body(row, offsets);
      for (size_t d = dims_.size(); d-- > 0;) {
        const Dim& dim = dims_[d];
        for (size_t k = 0; k < kOperands; ++k) offsets[k] += dim.strides[k];
        if (++index[d] < dim.extent) break;
        for (size_t k = 0; k < kOperands; ++k) offsets[k] -= dim.extent * dim.strides[k];
        index[d] = 0;
      }
    }
  }

 private:
  static constexpr size_t kMaxRank = 16;
  struct Dim {
    int64_t extent;
    std::array<int64_t, kOperands> strides;
  };
  Broadcast() = default;
  void build(const Shape& output, std::span<const Shape> strides);

  std::vector<Dim> dims_;  // outermost first, without the row
  int64_t row_length_ = 1, rows_ = 1;
  std::array<int64_t, kOperands> row_strides_{};
};

}  // namespace headrace::cpu
