#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernels/implementation.h"

// The vocabulary of the reference loops.
namespace headrace::reference {

// One operator over host memory, with everything that follows from shapes and attributes computed
// beforehand. Empty: there is no such loop.
using Loop = std::function<void(const KernelArgs&)>;
using MakeLoop = Loop (*)(const KernelRequest&);

struct Row {
  std::string_view op;
  MakeLoop make;
};
Loop make_from(std::span<const Row> rows, const KernelRequest& request);

// Each takes a request for one of its operators, see their files; empty for any other.
Loop unary(const KernelRequest& request);
Loop unary_gradient(const KernelRequest& request);
Loop binary(const KernelRequest& request);
Loop comparison(const KernelRequest& request);
Loop cast(const KernelRequest& request);
Loop bits(const KernelRequest& request);
Loop reduction(const KernelRequest& request);
Loop softmax(const KernelRequest& request);
Loop layer_normalization(const KernelRequest& request);
Loop batch_normalization(const KernelRequest& request);
Loop matmul(const KernelRequest& request);
Loop attention(const KernelRequest& request);
Loop determinant(const KernelRequest& request);
Loop convolution(const KernelRequest& request);
Loop pooling(const KernelRequest& request);
Loop resampling(const KernelRequest& request);
Loop point_sampling(const KernelRequest& request);
Loop regions(const KernelRequest& request);
Loop movement(const KernelRequest& request);
Loop lstm_sequence(const KernelRequest& request);
Loop gru_sequence(const KernelRequest& request);
Loop padding(const KernelRequest& request);
Loop gather(const KernelRequest& request);
Loop indexing(const KernelRequest& request);
Loop scan(const KernelRequest& request);
Loop top_k(const KernelRequest& request);
Loop dropout(const KernelRequest& request);
Loop class_loss(const KernelRequest& request);
Loop pair_loss(const KernelRequest& request);
Loop update(const KernelRequest& request);

template <typename T>
const T* input(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? static_cast<const T*>(args.inputs[i]) : nullptr;
}
template <typename T>
T* output(const KernelArgs& args, size_t i) {
  return i < args.outputs.size() ? static_cast<T*>(args.outputs[i]) : nullptr;
}

// Sums run in double, or in the 64-bit integers that hold T.
template <typename T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double,
                               std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

// A row's maker out of one for each float dtype; input `key` has the operator's dtype.
template <MakeLoop f32, MakeLoop f64, size_t key = 0>
Loop by_float(const KernelRequest& request) {
  const DType dtype = request.input_types.at(key).dtype;
  if (dtype == DType::f32) return f32(request);
  if (dtype == DType::f64) return f64(request);
  return {};
}

// Calls make.operator()<T>() for the C++ type of `dtype`.
template <typename Make>
Loop for_float(DType dtype, Make make) {
  if (dtype == DType::f32) return make.template operator()<float>();
  if (dtype == DType::f64) return make.template operator()<double>();
  return {};
}
template <typename Make>
Loop for_number(DType dtype, Make make) {
  switch (dtype) {
    case DType::f32:
      return make.template operator()<float>();
    case DType::f64:
      return make.template operator()<double>();
    case DType::i8:
      return make.template operator()<int8_t>();
    case DType::i16:
      return make.template operator()<int16_t>();
    case DType::i32:
      return make.template operator()<int32_t>();
    case DType::i64:
      return make.template operator()<int64_t>();
    case DType::u8:
      return make.template operator()<uint8_t>();
    case DType::u16:
      return make.template operator()<uint16_t>();
    case DType::u32:
      return make.template operator()<uint32_t>();
    case DType::u64:
      return make.template operator()<uint64_t>();
    default:
      return {};
  }
}
// For operators that only move elements: an unsigned integer of the element's size.
template <typename Make>
Loop for_size(DType dtype, Make make) {
  switch (size_of(dtype)) {
    case 1:
      return make.template operator()<uint8_t>();
    case 2:
      return make.template operator()<uint16_t>();
    case 4:
      return make.template operator()<uint32_t>();
    case 8:
      return make.template operator()<uint64_t>();
    default:
      return {};
  }
}

// Elements of a tensor whose float dtype does not follow the operator's: statistics and losses.
class FloatReader {
 public:
  FloatReader(const void* data, DType dtype) : data_(data), dtype_(dtype) {}
  double operator[](int64_t i) const {
    return dtype_ == DType::f64 ? static_cast<const double*>(data_)[i]
                                : static_cast<const float*>(data_)[i];
  }

 private:
  const void* data_;
  DType dtype_;
};
class FloatWriter {
 public:
  FloatWriter(void* data, DType dtype) : data_(data), dtype_(dtype) {}
  explicit operator bool() const { return data_ != nullptr; }
  void set(int64_t i, double value) const {
    if (dtype_ == DType::f64)
      static_cast<double*>(data_)[i] = value;
    else
      static_cast<float*>(data_)[i] = static_cast<float>(value);
  }

 private:
  void* data_;
  DType dtype_;
};

// Class ids and indices, of any integer dtype.
class IntReader {
 public:
  IntReader(const void* data, DType dtype) : data_(data), dtype_(dtype) {}
  int64_t operator[](int64_t i) const;

 private:
  const void* data_;
  DType dtype_;
};
constexpr bool is_integer(DType dtype) { return !is_float(dtype) && dtype != DType::boolean; }

// Maps the row-major number of an element of `shape` to an offset in another tensor.
struct StridedView {
  Shape shape;
  Shape strides;
  int64_t base = 0;

  int64_t count() const { return element_count(shape); }
  int64_t offset(int64_t element) const {
    int64_t result = base;
    for (size_t d = shape.size(); d-- > 0; element /= shape[d])
      result += element % shape[d] * strides[d];
    return result;
  }
};
// Where each element of shape `to` finds its operand in a tensor of shape `from` that broadcasts to
// it.
StridedView broadcast_view(const Shape& from, const Shape& to);

// A shape seen around one axis: element (o, i, n) stands at (o * length + i) * inner + n.
struct AxisSplit {
  int64_t outer = 1, length = 1, inner = 1;
};
AxisSplit split_at(const Shape& shape, int64_t axis);

}  // namespace headrace::reference
