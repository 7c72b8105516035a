#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/choices.h"
#include "kernels/device.h"

namespace headrace::cuda {

inline constexpr size_t kDefaultWorkspace = size_t{1} << 30;

struct DeviceOptions {
  bool tf32 = false;   // products and convolutions of f32 may round their factors to TF32
  bool graphs = true;  // stretches of a program are recorded as CUDA graphs
  // Bytes of workspace that a library's kernel may use; where none keeps to it, the one with least.
  size_t most_workspace = kDefaultWorkspace;
  // Products are tuned while kernels are prepared, and what was found is kept here; null: they are
  // not.
  std::shared_ptr<Choices> choices = {};
};

// How many GPUs this machine's driver shows; why none can be used goes to `reason`.
int visible_devices(std::string& reason);

// A GPU with a stream for kernels and one for copies. `host` runs what has no kernel on it. Throws
// RunError when the GPU cannot be set up.
std::unique_ptr<Device> make_device(int index, const DeviceOptions& options,
                                    std::unique_ptr<Device> host);

}  // namespace headrace::cuda
