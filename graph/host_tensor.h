#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "graph/tensor_type.h"

namespace headrace {

// DType of a C++ element type: float, double, (u)int8..64_t, bool.
template <typename T>
constexpr DType dtype_of();

// A dense row-major tensor in host memory. Copies share the bytes, which never change after
// construction; they may lie in a mapped file that `data` keeps open.
struct HostTensor {
  TensorType type;
  std::shared_ptr<const std::byte> data;

  explicit operator bool() const { return data != nullptr; }

  template <typename T>
  std::span<const T> as() const {
    HEADRACE_CHECK(type.dtype == dtype_of<T>(), "tensor is {}", name_of(type.dtype));
    return {reinterpret_cast<const T*>(data.get()), static_cast<size_t>(type.elements())};
  }
};

// Uninitialised bytes (64-byte aligned) that the caller fills before sharing them.
std::pair<HostTensor, std::byte*> allocate_host_tensor(TensorType type);

template <typename T>
HostTensor make_host_tensor(Shape shape, std::span<const T> values) {
  auto [tensor, bytes] = allocate_host_tensor({dtype_of<T>(), std::move(shape)});
  HEADRACE_CHECK(tensor.type.elements() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), reinterpret_cast<T*>(bytes));
  return tensor;
}
template <typename T>
HostTensor scalar_tensor(T value) {
  return make_host_tensor<T>({}, std::span<const T>(&value, 1));
}

// Integer contents (any integer dtype or bool) as int64, float contents (any float dtype) as
// double.
std::vector<int64_t> to_int64s(const HostTensor& tensor);
std::vector<double> to_doubles(const HostTensor& tensor);

template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::i8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::i16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::u16;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::u64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

}  // namespace headrace
