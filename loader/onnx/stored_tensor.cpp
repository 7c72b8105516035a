#include "loader/onnx/stored_tensor.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "loader/onnx/size_limit.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

std::pair<HostTensor, std::byte*> allocate(TensorType type, const std::string& name) {
  if (type.bytes() > kLargestConstant)
    throw Error("'{}': a tensor {} would take {} bytes", name, to_string(type), type.bytes());
  return allocate_host_tensor(std::move(type));
}

void require_dims(const Shape& dims, const std::string& name) {
  if (std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; }))
    throw Error("'{}': {} is not a shape", name, to_string(dims));
}

const onnx::AttributeProto* find(const onnx::NodeProto& node, std::string_view name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

}  // namespace

HostTensor read_sparse(const onnx::SparseTensorProto& proto, ExternalData& external) {
  const std::string& name = proto.values().name();
  const Shape dims(proto.dims().begin(), proto.dims().end());
  require_dims(dims, name);
  const HostTensor values = read_tensor(proto.values(), nullptr, external);
  const HostTensor indices = read_tensor(proto.indices(), nullptr, external);
  const int64_t count = values.type.elements();
  const auto rank = static_cast<int64_t>(dims.size());
  const bool linear = indices.type.rank() == 1;
  if (indices.type.dtype != DType::i64 || values.type.rank() != 1 ||
      indices.type.shape != (linear ? Shape{count} : Shape{count, rank}))
    throw Error("sparse tensor '{}': values {} at indices {}", name, to_string(values.type),
                to_string(indices.type));
  auto [dense, bytes] = allocate({values.type.dtype, dims}, name);
  std::memset(bytes, 0, static_cast<size_t>(dense.type.bytes()));
  const auto places = indices.as<int64_t>();
  const int64_t elements = dense.type.elements();
  const Shape strides = row_major_strides(dims);
  const size_t element = size_of(values.type.dtype);
  for (int64_t i = 0; i < count; ++i) {
    int64_t place = 0;
    bool inside = true;
    if (linear) {
      place = places[static_cast<size_t>(i)];
      inside = place >= 0 && place < elements;
    }
    for (int64_t d = 0; !linear && d < rank; ++d) {
      const int64_t index = places[static_cast<size_t>(i * rank + d)];
      inside = inside && index >= 0 && index < dims[static_cast<size_t>(d)];
      if (inside) place += index * strides[static_cast<size_t>(d)];
    }
    if (!inside)
      throw Error("sparse tensor '{}': value {} lies outside of {}", name, i, to_string(dims));
    std::memcpy(bytes + static_cast<size_t>(place) * element,
                values.data.get() + static_cast<size_t>(i) * element, element);
  }
  return dense;
}

std::optional<HostTensor> read_constant(const onnx::NodeProto& node,
                                        std::shared_ptr<const void> owner, ExternalData& external) {
  if (const auto* value = find(node, "value"); value != nullptr && value->has_t()) {
    if (!dtype_of_onnx(value->t().data_type())) return std::nullopt;
    return read_tensor(value->t(), std::move(owner), external);
  }
  if (const auto* value = find(node, "sparse_value");
      value != nullptr && value->has_sparse_tensor())
    return read_sparse(value->sparse_tensor(), external);
  if (const auto* value = find(node, "value_float")) return scalar_tensor(value->f());
  if (const auto* value = find(node, "value_int")) return scalar_tensor(int64_t{value->i()});
  if (const auto* value = find(node, "value_floats")) {
    const std::vector<float> floats(value->floats().begin(), value->floats().end());
    return make_host_tensor<float>({static_cast<int64_t>(floats.size())}, floats);
  }
  if (const auto* value = find(node, "value_ints")) {
    const std::vector<int64_t> ints(value->ints().begin(), value->ints().end());
    return make_host_tensor<int64_t>({static_cast<int64_t>(ints.size())}, ints);
  }
  return std::nullopt;
}

HostTensor read_filled(const onnx::NodeProto& node, const Shape& shape) {
  const std::string name = node.output_size() > 0 ? node.output(0) : node.name();
  require_dims(shape, name);
  HostTensor value = scalar_tensor(0.0F);
  if (const auto* attribute = find(node, "value")) {
    ExternalData nowhere{std::filesystem::path()};
    value = read_tensor(attribute->t(), nullptr, nowhere);
  }
  if (value.type.elements() != 1)
    throw Error("'{}': a value of {} elements", name, value.type.elements());
  auto [filled, bytes] = allocate({value.type.dtype, shape}, name);
  const size_t element = size_of(value.type.dtype);
  for (int64_t i = 0, n = filled.type.elements(); i < n; ++i)
    std::memcpy(bytes + static_cast<size_t>(i) * element, value.data.get(), element);
  return filled;
}

}  // namespace headrace
