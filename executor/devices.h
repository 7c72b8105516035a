#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/processes.h"
#include "kernels/device.h"

namespace headrace {

// How many CPU devices a `--devices` text names: "cpu:4", "cpu" (one), lists "cpu:2,cpu:1". Throws
// Error for kinds that this program has no backend for.
int device_count(const std::string& text);

// That many CPU devices with `threads` threads each; 0 shares the machine's cores out evenly, at
// least one thread each.
std::vector<std::unique_ptr<Device>> make_devices(const std::string& text, int threads);
// Only those of this process; null stands for the others. Throws Error when there are fewer devices
// than processes.
std::vector<std::unique_ptr<Device>> make_devices(const std::string& text, int threads,
                                                  const Processes& processes);
int threads_each(int devices, int threads);

}  // namespace headrace
