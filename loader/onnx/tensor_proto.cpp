#include "loader/onnx/tensor_proto.h"

#include <cstring>
#include <utility>

#include "graph/parse_number.h"
#include "loader/onnx/tensors.h"

namespace headrace {
namespace {

using onnx::TensorProto;

constexpr std::pair<int32_t, DType> kTypes[] = {
    {TensorProto::FLOAT, DType::f32},    {TensorProto::DOUBLE, DType::f64},
    {TensorProto::FLOAT16, DType::f16},  {TensorProto::BFLOAT16, DType::bf16},
    {TensorProto::INT8, DType::i8},      {TensorProto::INT16, DType::i16},
    {TensorProto::INT32, DType::i32},    {TensorProto::INT64, DType::i64},
    {TensorProto::UINT8, DType::u8},     {TensorProto::UINT16, DType::u16},
    {TensorProto::UINT32, DType::u32},   {TensorProto::UINT64, DType::u64},
    {TensorProto::BOOL, DType::boolean},
};

bool aligned(const void* data, DType dtype) {
  return reinterpret_cast<uintptr_t>(data) % size_of(dtype) == 0;
}

HostTensor in_place_or_copied(TensorType type, const void* data,
                              std::shared_ptr<const void> owner) {
  if (type.elements() > 0 && aligned(data, type.dtype))
    return {std::move(type), {std::move(owner), static_cast<const std::byte*>(data)}};
  const auto bytes = static_cast<size_t>(type.bytes());
  auto [tensor, to] = allocate_host_tensor(std::move(type));
  if (bytes > 0) std::memcpy(to, data, bytes);
  return tensor;
}

int64_t parse_bytes(const TensorProto& proto, const std::string& key, const std::string& text) {
  const auto value = parse_number<int64_t>(text);
  if (!value || *value < 0)
    throw Error("tensor '{}': external {} '{}' is not a byte count", proto.name(), key, text);
  return *value;
}

HostTensor read_external(const TensorProto& proto, TensorType type, ExternalData& external) {
  const std::string location = external_entry(proto, "location");
  const std::string offset_text = external_entry(proto, "offset");
  const std::string length_text = external_entry(proto, "length");
  const int64_t offset = offset_text.empty() ? 0 : parse_bytes(proto, "offset", offset_text);
  const int64_t needed = type.bytes();
  if (!length_text.empty() && parse_bytes(proto, "length", length_text) != needed)
    throw Error("tensor '{}': {} needs {} bytes, its external data has {}", proto.name(),
                to_string(type), needed, length_text);
  auto file = external.open(location, proto.name());
  const auto size = static_cast<int64_t>(file->bytes().size());
  if (offset > size || needed > size - offset)
    throw Error("tensor '{}': {} bytes from {} on lie outside of file '{}', which has {}",
                proto.name(), needed, offset, location, size);
  const std::byte* data = file->bytes().data() + offset;
  return in_place_or_copied(std::move(type), data, std::move(file));
}

template <typename To, typename Field>
HostTensor narrowed(TensorType type, const Field& field) {
  auto [tensor, bytes] = allocate_host_tensor(std::move(type));
  auto* to = reinterpret_cast<To*>(bytes);
  for (const auto value : field) *to++ = static_cast<To>(value);
  return tensor;
}

// Where the typed (not raw) contents of a dtype are kept.
int typed_count(const TensorProto& proto, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return proto.float_data_size();
    case DType::f64:
      return proto.double_data_size();
    case DType::i64:
      return proto.int64_data_size();
    case DType::u32:
    case DType::u64:
      return proto.uint64_data_size();
    default:
      return proto.int32_data_size();
  }
}

HostTensor read_typed(const TensorProto& proto, TensorType type,
                      std::shared_ptr<const void> owner) {
  switch (type.dtype) {
    case DType::f32:
      return in_place_or_copied(std::move(type), proto.float_data().data(), std::move(owner));
    case DType::f64:
      return in_place_or_copied(std::move(type), proto.double_data().data(), std::move(owner));
    case DType::i64:
      return in_place_or_copied(std::move(type), proto.int64_data().data(), std::move(owner));
    case DType::u64:
      return in_place_or_copied(std::move(type), proto.uint64_data().data(), std::move(owner));
    case DType::i32:
      return in_place_or_copied(std::move(type), proto.int32_data().data(), std::move(owner));
    case DType::u32:
      return narrowed<uint32_t>(std::move(type), proto.uint64_data());
    case DType::i16:
      return narrowed<int16_t>(std::move(type), proto.int32_data());
    case DType::u16:
    case DType::f16:
    case DType::bf16:
      return narrowed<uint16_t>(std::move(type), proto.int32_data());
    case DType::i8:
      return narrowed<int8_t>(std::move(type), proto.int32_data());
    case DType::u8:
      return narrowed<uint8_t>(std::move(type), proto.int32_data());
    case DType::boolean:
      return narrowed<bool>(std::move(type), proto.int32_data());
  }
  throw Error("tensor '{}': unknown element type", proto.name());
}

}  // namespace

std::optional<DType> dtype_of_onnx(int32_t element_type) {
  for (const auto& [onnx_type, dtype] : kTypes)
    if (onnx_type == element_type) return dtype;
  return std::nullopt;
}

int32_t onnx_of_dtype(DType dtype) {
  for (const auto& [onnx_type, known] : kTypes)
    if (known == dtype) return onnx_type;
  HEADRACE_CHECK(false, "dtype {}", static_cast<int>(dtype));
  return 0;
}

std::string onnx_type_name(int32_t element_type) {
  if (!onnx::TensorProto_DataType_IsValid(element_type)) return fmt::format("#{}", element_type);
  return onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(element_type));
}

TensorType tensor_type(const TensorProto& proto) {
  const auto dtype = dtype_of_onnx(proto.data_type());
  if (!dtype)
    throw Error("tensor '{}': elements of type {} are not supported", proto.name(),
                onnx_type_name(proto.data_type()));
  TensorType type{*dtype, Shape(proto.dims().begin(), proto.dims().end())};
  for (const int64_t dim : type.shape)
    if (dim < 0)
      throw Error("tensor '{}': negative dimension in {}", proto.name(), to_string(type));
  if (is_external(proto)) return type;
  const int64_t elements = type.elements();
  if (proto.has_raw_data()) {
    if (static_cast<int64_t>(proto.raw_data().size()) != type.bytes())
      throw Error("tensor '{}': {} needs {} bytes, the file has {}", proto.name(), to_string(type),
                  type.bytes(), proto.raw_data().size());
  } else if (typed_count(proto, type.dtype) != elements) {
    throw Error("tensor '{}': {} needs {} elements, the file has {}", proto.name(), to_string(type),
                elements, typed_count(proto, type.dtype));
  }
  return type;
}

HostTensor read_tensor(const TensorProto& proto, std::shared_ptr<const void> owner,
                       ExternalData& external) {
  TensorType type = tensor_type(proto);
  if (is_external(proto)) return read_external(proto, std::move(type), external);
  if (proto.has_raw_data())
    return in_place_or_copied(std::move(type), proto.raw_data().data(), std::move(owner));
  return read_typed(proto, std::move(type), std::move(owner));
}

void write_tensor(const HostTensor& tensor, TensorProto& proto) {
  proto.set_data_type(onnx_of_dtype(tensor.type.dtype));
  proto.mutable_dims()->Assign(tensor.type.shape.begin(), tensor.type.shape.end());
  proto.clear_float_data();
  proto.clear_int32_data();
  proto.clear_int64_data();
  proto.clear_double_data();
  proto.clear_uint64_data();
  proto.clear_external_data();
  proto.clear_data_location();
  proto.set_raw_data(tensor.data.get(), static_cast<size_t>(tensor.type.bytes()));
}

}  // namespace headrace
