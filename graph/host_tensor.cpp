#include "graph/host_tensor.h"

#include <bit>
#include <cstdlib>
#include <cstring>

namespace headrace {
namespace {

float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 0x1f ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | wide_exponent << 23 | mantissa << 13);
}

template <typename To, typename From>
std::vector<To> convert(const HostTensor& tensor) {
  const auto values = tensor.as<From>();
  return std::vector<To>(values.begin(), values.end());
}

template <typename Decode>
std::vector<double> decode_16bit(const HostTensor& tensor, Decode decode) {
  const auto* bits = reinterpret_cast<const uint16_t*>(tensor.data.get());
  std::vector<double> result(static_cast<size_t>(tensor.type.elements()));
  for (size_t i = 0; i < result.size(); ++i) result[i] = decode(bits[i]);
  return result;
}

}  // namespace

std::pair<HostTensor, std::byte*> allocate_host_tensor(TensorType type) {
  const auto bytes = static_cast<size_t>(type.bytes());
  const size_t rounded = (bytes + 63) / 64 * 64;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, rounded == 0 ? 64 : rounded));
  if (memory == nullptr)
    throw RunError("out of memory: {} bytes for a tensor {}", bytes, to_string(type));
  std::shared_ptr<const std::byte> owner(
      memory, [](const std::byte* p) { std::free(const_cast<std::byte*>(p)); });
  return {HostTensor{std::move(type), std::move(owner)}, memory};
}

std::vector<int64_t> to_int64s(const HostTensor& tensor) {
  switch (tensor.type.dtype) {
    case DType::i8:
      return convert<int64_t, int8_t>(tensor);
    case DType::i16:
      return convert<int64_t, int16_t>(tensor);
    case DType::i32:
      return convert<int64_t, int32_t>(tensor);
    case DType::i64:
      return convert<int64_t, int64_t>(tensor);
    case DType::u8:
      return convert<int64_t, uint8_t>(tensor);
    case DType::u16:
      return convert<int64_t, uint16_t>(tensor);
    case DType::u32:
      return convert<int64_t, uint32_t>(tensor);
    case DType::u64:
      return convert<int64_t, uint64_t>(tensor);
    case DType::boolean:
      return convert<int64_t, bool>(tensor);
    default:
      break;
  }
  HEADRACE_CHECK(false, "integers wanted, the tensor is {}", to_string(tensor.type));
  return {};
}

std::vector<double> to_doubles(const HostTensor& tensor) {
  switch (tensor.type.dtype) {
    case DType::f32:
      return convert<double, float>(tensor);
    case DType::f64:
      return convert<double, double>(tensor);
    case DType::f16:
      return decode_16bit(tensor, half_to_float);
    case DType::bf16:
      return decode_16bit(tensor,
                          [](uint16_t b) { return std::bit_cast<float>(uint32_t{b} << 16); });
    default:
      break;
  }
  HEADRACE_CHECK(false, "floats wanted, the tensor is {}", to_string(tensor.type));
  return {};
}

}  // namespace headrace
