#include "kernels/reference/loop.h"

namespace headrace::reference {

Loop make_from(std::span<const Row> rows, const KernelRequest& request) {
  for (const Row& row : rows)
    if (row.op == request.node->op) return row.make(request);
  return {};
}

int64_t IntReader::operator[](int64_t i) const {
  switch (dtype_) {
    case DType::i8:
      return static_cast<const int8_t*>(data_)[i];
    case DType::i16:
      return static_cast<const int16_t*>(data_)[i];
    case DType::i32:
      return static_cast<const int32_t*>(data_)[i];
    case DType::i64:
      return static_cast<const int64_t*>(data_)[i];
    case DType::u8:
      return static_cast<const uint8_t*>(data_)[i];
    case DType::u16:
      return static_cast<const uint16_t*>(data_)[i];
    case DType::u32:
      return static_cast<const uint32_t*>(data_)[i];
    case DType::u64:
      return static_cast<int64_t>(static_cast<const uint64_t*>(data_)[i]);
    default:
      break;
  }
  HEADRACE_CHECK(false, "{} is no integer dtype", name_of(dtype_));
  return 0;
}

StridedView broadcast_view(const Shape& from, const Shape& to) {
  const Shape strides = row_major_strides(from);
  StridedView view{to, Shape(to.size(), 0)};
  const size_t lead = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d)
    if (from[d] != 1) view.strides[lead + d] = strides[d];
  return view;
}

AxisSplit split_at(const Shape& shape, int64_t axis) {
  AxisSplit split;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d)
    (d < axis ? split.outer : d == axis ? split.length : split.inner) *= shape[d];
  return split;
}

}  // namespace headrace::reference
