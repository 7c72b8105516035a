#pragma once

#include <string>

#include "kernels/device.h"
#include "partitioner/cost_model.h"

namespace headrace {

// Measures what a device does per second, with the kernels that training uses: a product, a 3x3
// convolution, an elementwise pass over memory and one over registers. Takes about a quarter of a
// second, on the calling thread.
DeviceRates measure_rates(Device& device);

// The same, kept in `$XDG_CACHE_HOME/headrace/rates-1.json` (or ~/.cache) under the processor's
// name and `key` (threads and the like), and measured only when it is not there.
DeviceRates cached_rates(Device& device, const std::string& key);

}  // namespace headrace
