#pragma once

#include <memory>
#include <string>

#include "kernels/device.h"

namespace headrace::cuda {

struct DeviceOptions {
  bool tf32 = false;   // products and convolutions of f32 may round their factors to TF32
  bool graphs = true;  // stretches of a program are recorded as CUDA graphs
};

// How many GPUs this machine's driver shows; why none can be used goes to `reason`.
int visible_devices(std::string& reason);

// A GPU with a stream for kernels and one for copies. `host` runs what has no kernel on it. Throws
// RunError when the GPU cannot be set up.
std::unique_ptr<Device> make_device(int index, const DeviceOptions& options,
                                    std::unique_ptr<Device> host);

}  // namespace headrace::cuda
