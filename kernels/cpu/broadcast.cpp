#include "kernels/cpu/broadcast.h"

#include "graph/error.h"

namespace headrace::cpu {

Broadcast::Broadcast(const Shape& output, std::span<const Shape> operands) {
  std::vector<Shape> strides;
  for (const Shape& shape : operands) {
    Shape aligned(output.size(), 0);
    const Shape own = row_major_strides(shape);
    const size_t missing = output.size() - shape.size();
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] != 1) aligned[missing + d] = own[d];
    }
    strides.push_back(std::move(aligned));
  }
  build(output, strides);
}

Broadcast Broadcast::from_strides(const Shape& output, std::span<const Shape> strides) {
  Broadcast result;
  result.build(output, strides);
  return result;
}

void Broadcast::build(const Shape& output, std::span<const Shape> strides) {
  HEADRACE_CHECK(strides.size() <= kOperands);
  for (size_t d = 0; d < output.size(); ++d) {
    if (output[d] == 1) continue;
    Dim dim{output[d], {}};
    for (size_t k = 0; k < strides.size(); ++k) dim.strides[k] = strides[k][d];
    bool merges = !dims_.empty();
    for (size_t k = 0; merges && k < strides.size(); ++k) {
      merges = dims_.back().strides[k] == dim.strides[k] * dim.extent;
    }
    if (merges) {
      dims_.back().extent *= dim.extent;
      dims_.back().strides = dim.strides;
    } else {
      dims_.push_back(dim);
    }
  }
  if (!dims_.empty()) {
    row_length_ = dims_.back().extent;
    row_strides_ = dims_.back().strides;
    dims_.pop_back();
  }
  for (const Dim& dim : dims_) rows_ *= dim.extent;
  HEADRACE_CHECK(dims_.size() <= kMaxRank, "{} dimensions", dims_.size());
}

}  // namespace headrace::cpu
