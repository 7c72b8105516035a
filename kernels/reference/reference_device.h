#pragma once

#include <memory>

#include "kernels/device.h"

namespace headrace {

// Host memory, row-major layouts and the reference kernels, under the name "reference:0".
std::unique_ptr<Device> make_reference_device();

}  // namespace headrace
