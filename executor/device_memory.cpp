#include "executor/device_memory.h"

#include "graph/error.h"

namespace headrace {

void* DeviceMemory::allocate(Buffer& buffer, int64_t bytes) {
  if (buffer.data() == nullptr) {
    buffer = device_.allocate(static_cast<size_t>(std::max<int64_t>(bytes, 1)));
    bytes_ += bytes;
  }
  return buffer.data();
}

void* DeviceMemory::weight(ValueId id) {
  const Value& value = graph_.value(id);
  Buffer& buffer = weights_[id];
  const bool fresh = buffer.data() == nullptr;
  void* memory = allocate(buffer, value.bytes());
  if (fresh) {
    HEADRACE_CHECK(value.data, "'{}' has no contents", value.name);
    device_.upload(value.type, value.layout, value.data.data.get(), memory);
  }
  return memory;
}

void* DeviceMemory::gradient(ValueId contribution) {
  return allocate(gradients_[contribution], graph_.value(contribution).bytes());
}

void* DeviceMemory::optimizer_state(ValueId parameter, const std::string& name) {
  return allocate(optimizer_[{parameter, name}], graph_.value(parameter).bytes());
}

void* DeviceMemory::scalar(ValueId parameter) {
  return allocate(scalars_[parameter], sizeof(double));
}

void* DeviceMemory::slot(ValueId id, int microbatch) {
  return allocate(slots_[{id, microbatch}], graph_.value(id).bytes());
}

void DeviceMemory::lend_weight(ValueId id, void* data) {
  weights_[id] = Buffer(data, static_cast<size_t>(graph_.value(id).bytes()), [](void*) {});
}

void DeviceMemory::lend_slot(ValueId id, int microbatch, void* data) {
  slots_[{id, microbatch}] =
      Buffer(data, static_cast<size_t>(graph_.value(id).bytes()), [](void*) {});
}

HostTensor DeviceMemory::read(ValueId id, const Buffer& buffer) const {
  const Value& value = graph_.value(id);
  auto [tensor, bytes] = allocate_host_tensor(value.type);
  device_.download(value.type, value.layout, buffer.data(), bytes);
  return tensor;
}

HostTensor DeviceMemory::read_weight(ValueId id) const { return read(id, weights_.at(id)); }

void DeviceMemory::write_weight(ValueId id, const HostTensor& data) {
  const Value& value = graph_.value(id);
  HEADRACE_CHECK(data.type == value.type, "'{}' is {}", value.name, to_string(value.type));
  device_.upload(value.type, value.layout, data.data.get(), weights_.at(id).data());
}

HostTensor DeviceMemory::read_gradient(ValueId contribution) const {
  return read(contribution, gradients_.at(contribution));
}

HostTensor DeviceMemory::read_optimizer_state(ValueId parameter, const std::string& name) const {
  return read(parameter, optimizer_.at({parameter, name}));
}

void DeviceMemory::write_optimizer_state(ValueId parameter, const std::string& name,
                                         const HostTensor& data) {
  const Value& value = graph_.value(parameter);
  HEADRACE_CHECK(data.type == value.type, "'{}' is {}", value.name, to_string(value.type));
  device_.upload(value.type, value.layout, data.data.get(),
                 optimizer_.at({parameter, name}).data());
}

}  // namespace headrace
