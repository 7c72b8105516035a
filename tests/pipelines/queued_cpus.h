#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "executor/process_group.h"
#include "kernels/device.h"

namespace headrace {

// CPUs of one thread each as devices with queues (queued_device.h); null for those of other
// processes.
std::vector<std::unique_ptr<Device>> make_queued_cpus(int count,
                                                      const ProcessGroup& group = single_process(),
                                                      const std::function<void()>& on_kernel = {});

// For on_kernel: slows some kernels down, so that whatever is not waited for is overtaken.
void dawdle();

}  // namespace headrace
