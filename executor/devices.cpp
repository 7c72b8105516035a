#include "executor/devices.h"

#include <algorithm>
#include <thread>

#include "graph/error.h"
#include "graph/parse_number.h"
#include "kernels/cpu/cpu_device.h"

namespace headrace {
namespace {

int count_of(const std::string& item, const std::string& text) {
  const auto colon = item.find(':');
  const std::string kind = item.substr(0, colon);
  if (kind != "cpu")
    throw Error("--devices {}: no backend for '{}' here; known: cpu (as in cpu:4)", text, kind);
  if (colon == std::string::npos) return 1;
  const std::string number = item.substr(colon + 1);
  const auto count = parse_number<int>(number);
  if (!count || *count < 1 || *count > 1024)
    throw Error("--devices {}: '{}' is no number of devices (1 to 1024)", text, number);
  return *count;
}

}  // namespace

int device_count(const std::string& text) {
  int count = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    count += count_of(text.substr(begin, comma - begin), text);
    begin = comma + 1;
  }
  return count;
}

int threads_each(int devices, int threads) {
  if (threads > 0) return threads;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::max(1, cores / devices);
}

std::vector<std::unique_ptr<Device>> make_devices(const std::string& text, int threads) {
  return make_devices(text, threads, {});
}

std::vector<std::unique_ptr<Device>> make_devices(const std::string& text, int threads,
                                                  const Processes& processes) {
  const int count = device_count(text);
  if (count < processes.group->size())
    throw Error("--devices {}: {} processes need a device each; start fewer or name more", text,
                processes.group->size());
  std::vector<std::unique_ptr<Device>> devices(static_cast<size_t>(count));
  for (int d = 0; d < count; ++d)
    if (processes.has(d, count))
      devices[static_cast<size_t>(d)] = make_cpu_device(d, threads_each(count, threads));
  return devices;
}

}  // namespace headrace
