#include <algorithm>
#include <cmath>

#include "loader/import/rules.h"
#include "loader/onnx/size_limit.h"
#include "loader/onnx/stored_tensor.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

// Constant nodes that hold numbers are weights and never come here.
void constant(ImportContext&) { throw Unsupported("constants that are strings"); }

void constant_of_shape(ImportContext& c) {
  const HostTensor filled = read_filled(c.node(), c.ints(0, "shape"));
  c.result(converted(filled, c.computed_dtype(onnx_of_dtype(filled.type.dtype))));
}

template <typename T>
HostTensor range_of(T start, T step, int64_t count) {
  auto [tensor, bytes] = allocate_constant({dtype_of<T>(), {count}});
  auto* to = reinterpret_cast<T*>(bytes);
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(start + static_cast<T>(i) * step);
  return tensor;
}

void range(ImportContext& c) {
  const double start = c.number(0, "start"), limit = c.number(1, "limit"),
               step = c.number(2, "delta");
  if (step == 0) throw Unsupported("a delta of 0");
  const double steps = std::max(0.0, std::ceil((limit - start) / step));
  if (!(steps < static_cast<double>(kLargestConstant))) throw Unsupported("{} numbers", steps);
  const auto count = static_cast<int64_t>(steps);
  switch (c.type(0).dtype) {
    case DType::i64:
      return c.result(range_of(c.ints(0, "start")[0], c.ints(2, "delta")[0], count));
    case DType::i32:
      return c.result(range_of(static_cast<int32_t>(start), static_cast<int32_t>(step), count));
    case DType::f32:
      return c.result(range_of(static_cast<float>(start), static_cast<float>(step), count));
    case DType::f64:
      return c.result(range_of(start, step, count));
    default:
      throw Unsupported("elements of type {}", name_of(c.type(0).dtype));
  }
}

void eye_like(ImportContext& c) {
  const TensorType like = c.type(0);
  if (like.shape.size() != 2) throw Unsupported("input {} is not a matrix", to_string(like));
  DType dtype = like.dtype;
  if (c.has_attribute("dtype")) {
    dtype = c.computed_dtype(c.get_int("dtype", 0));
  }
  const int64_t k = c.get_int("k", 0), rows = like.shape[0], columns = like.shape[1];
  auto [eye, bytes] = allocate_constant({DType::f32, like.shape});
  auto* to = reinterpret_cast<float*>(bytes);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) *to++ = column - row == k ? 1.0F : 0.0F;
  if (dtype == DType::f32) {
    c.result(eye);
  } else {
    c.result(c.cast(c.add_constant(eye), dtype));
  }
}

// Indices of what is not zero, a column each; only of constants, since its shape depends on them.
void non_zero(ImportContext& c) {
  const HostTensor& data = c.constant(0, "input");
  const Shape& shape = data.type.shape;
  const Shape strides = row_major_strides(shape);
  std::vector<double> values;
  if (is_float(data.type.dtype)) {
    values = to_doubles(data);
  } else {
    const auto integers = to_int64s(data);
    values.assign(integers.begin(), integers.end());
  }
  std::vector<int64_t> places;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0) places.push_back(static_cast<int64_t>(i));
  std::vector<int64_t> columns;
  for (size_t d = 0; d < shape.size(); ++d)
    for (const int64_t place : places) columns.push_back(place / strides[d] % shape[d]);
  c.result(make_host_tensor<int64_t>(
      {static_cast<int64_t>(shape.size()), static_cast<int64_t>(places.size())}, columns));
}

}  // namespace

std::span<const ImportRule> constant_rules() {
  static constexpr ImportRule kRules[] = {
      {"Constant", constant}, {"ConstantOfShape", constant_of_shape},
      {"Range", range},       {"EyeLike", eye_like},
      {"NonZero", non_zero},
  };
  return kRules;
}

}  // namespace headrace
