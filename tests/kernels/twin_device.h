#pragma once

#include <memory>

#include "kernels/device.h"

namespace headrace {

// The CUDA backend in host memory: its kernels compiled for the host, its layouts, and the CPU
// where it has no kernel of its own. Libraries are left out.
std::unique_ptr<Device> make_twin_device();

}  // namespace headrace
