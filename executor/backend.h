#pragma once

#include <memory>

#include "kernels/device.h"

namespace headrace {

// Makes the devices of one kind other than the CPU's; a plugin implements it
// (plugins/backends/backend.h).
class Backend {
 public:
  virtual ~Backend() = default;
  // `host` runs the nodes that the device has no kernel for. Throws Error where there is no such
  // device or it cannot be used, with the reason.
  virtual std::unique_ptr<Device> make_device(int index, std::unique_ptr<Device> host) const = 0;
};

}  // namespace headrace
