#pragma once

#include <memory>

#include "kernels/device.h"

namespace headrace {

// A team of `threads` OpenMP threads on this machine, named "cpu:<index>". A kernel's results
// depend on the team's size and on nothing else of the device. Kernels may be prepared on any
// thread; they run on the thread that called bind_thread, which leads the team.
std::unique_ptr<Device> make_cpu_device(int index, int threads);

}  // namespace headrace
