#pragma once

#include <cstdint>

#include "graph/dtype.h"

namespace headrace::cpu {

// Class ids and indices of any integer dtype, read as int64.
class Integers {
 public:
  Integers(const void* data, DType dtype) : data_(data), dtype_(dtype) {}

  static bool can_read(DType dtype) { return !is_float(dtype) && dtype != DType::boolean; }

  int64_t operator[](int64_t i) const {
    switch (dtype_) {
      case DType::i64:
        return at<int64_t>(i);
      case DType::i32:
        return at<int32_t>(i);
      case DType::i16:
        return at<int16_t>(i);
      case DType::i8:
        return at<int8_t>(i);
      case DType::u32:
        return at<uint32_t>(i);
      case DType::u16:
        return at<uint16_t>(i);
      case DType::u8:
        return at<uint8_t>(i);
      default:
        return static_cast<int64_t>(at<uint64_t>(i));
    }
  }

 private:
  template <typename T>
  T at(int64_t i) const {
    return static_cast<const T*>(data_)[i];
  }

  const void* data_;
  DType dtype_;
};

}  // namespace headrace::cpu
