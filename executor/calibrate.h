#pragma once

#include "kernels/device.h"
#include "partitioner/cost_model.h"

namespace headrace {

// Measures what a device does per second, with the kernels that training uses: a product, a 3x3
// convolution, an elementwise pass over memory and one over registers. Takes about a quarter of a
// second, on the calling thread.
DeviceRates measure_rates(Device& device);

// The same, kept in cache_folder()/rates-1.json under machine_name(device), and measured only when
// they are not there. Damaged entries count as not there.
DeviceRates cached_rates(Device& device);

}  // namespace headrace
