#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "kernels/device.h"

namespace headrace {

// What lives on one device for the whole run: parameters, states and constants (uploaded when first
// asked for), gradient accumulators, optimizer state, and per-micro-batch slots for what is fed and
// what is read back.
class DeviceMemory {
 public:
  DeviceMemory(Device& device, const Graph& graph) : device_(device), graph_(graph) {}

  void* weight(ValueId id);  // parameter, state or constant
  bool holds(ValueId id) const { return weights_.contains(id); }
  void* gradient(ValueId contribution);  // zeroed at first
  void* optimizer_state(ValueId parameter, const std::string& name);
  void* scalar(ValueId parameter);  // one f64 beside a parameter: its gradient's squared norm
  void* slot(ValueId id, int microbatch);  // an input, or a result that is kept

  // The value lies in memory of somebody else, who outlives this.
  void lend_weight(ValueId id, void* data);
  void lend_slot(ValueId id, int microbatch, void* data);

  bool has_slot(ValueId id, int microbatch) const { return slots_.contains({id, microbatch}); }

  HostTensor read_weight(ValueId id) const;
  void write_weight(ValueId id, const HostTensor& data);
  HostTensor read_gradient(ValueId contribution) const;
  HostTensor read_optimizer_state(ValueId parameter, const std::string& name) const;
  void write_optimizer_state(ValueId parameter, const std::string& name, const HostTensor& data);

  int64_t bytes() const { return bytes_; }
  Device& device() const { return device_; }

 private:
  void* allocate(Buffer& buffer, int64_t bytes);
  HostTensor read(ValueId id, const Buffer& buffer) const;

  Device& device_;
  const Graph& graph_;
  std::map<ValueId, Buffer> weights_, gradients_, scalars_;
  std::map<std::pair<ValueId, std::string>, Buffer> optimizer_;
  std::map<std::pair<ValueId, int>, Buffer> slots_;
  int64_t bytes_ = 0;
};

}  // namespace headrace
