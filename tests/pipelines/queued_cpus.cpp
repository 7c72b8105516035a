#include "tests/pipelines/queued_cpus.h"

#include <chrono>
#include <random>
#include <thread>

#include "kernels/cpu/cpu_device.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {

std::vector<std::unique_ptr<Device>> make_queued_cpus(int count, const ProcessGroup& group,
                                                      const std::function<void()>& on_kernel) {
  std::vector<std::unique_ptr<Device>> devices(static_cast<size_t>(count));
  for (int d = 0; d < count; ++d)
    if (group.owner(d, count) == group.rank())
      devices[static_cast<size_t>(d)] = make_queued_device(make_cpu_device(d, 1), on_kernel);
  return devices;
}

void dawdle() {
  static thread_local std::mt19937 random(std::random_device{}());
  if (random() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

}  // namespace headrace
