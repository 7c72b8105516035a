#include "executor/devices.h"

#include <algorithm>
#include <thread>

#include "graph/error.h"
#include "graph/parse_number.h"
#include "kernels/cpu/cpu_device.h"

namespace headrace {
namespace {

constexpr int kMostDevices = 1024;

int number(const std::string& digits, int least, const std::string& text) {
  const auto value = parse_number<int>(digits);
  if (!value || *value < least || *value > kMostDevices)
    throw Error("--devices {}: '{}' is no number of {} ({} to {})", text, digits,
                least > 0 ? "devices" : "a device", least, kMostDevices);
  return *value;
}

// Appends what one item of the list names.
void add_item(const std::string& item, const std::string& text, NamedDevices& named) {
  const auto colon = item.find(':');
  const std::string kind = item.substr(0, colon);
  if (kind.empty()) throw Error("--devices {}: an item names no kind (as in cpu:4)", text);
  if (!named.kind.empty() && named.kind != kind)
    throw Error("--devices {}: {} and {} do not mix: the devices of a run are of one kind", text,
                named.kind, kind);
  named.kind = kind;
  const std::string which = colon == std::string::npos ? "" : item.substr(colon + 1);
  if (kind == "cpu") {
    const int count = colon == std::string::npos ? 1 : number(which, 1, text);
    for (int d = 0; d < count; ++d) named.indices.push_back(static_cast<int>(named.indices.size()));
    return;
  }
  const auto dash = which.find('-');
  const int first = colon == std::string::npos ? 0 : number(which.substr(0, dash), 0, text);
  const int last = dash == std::string::npos ? first : number(which.substr(dash + 1), 0, text);
  if (last < first) throw Error("--devices {}: {} to {} is no range", text, first, last);
  for (int d = first; d <= last; ++d) named.indices.push_back(d);
}

int threads_each(const RunConfig& config, size_t devices) {
  if (config.threads_per_device > 0) return config.threads_per_device;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::max(1, cores / static_cast<int>(devices));
}

std::unique_ptr<Device> make_device(const RunConfig& config, const NamedDevices& named, size_t d) {
  auto cpu = make_cpu_device(static_cast<int>(d), threads_each(config, named.indices.size()));
  if (named.kind == "cpu") return cpu;
  HEADRACE_CHECK(config.backend != nullptr, "of '{}'", named.kind);
  return config.backend->make_device(named.indices[d], std::move(cpu));
}

}  // namespace

NamedDevices named_devices(const std::string& text) {
  NamedDevices named;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    add_item(text.substr(begin, comma - begin), text, named);
    begin = comma + 1;
  }
  return named;
}

int device_count(const std::string& text) {
  return static_cast<int>(named_devices(text).indices.size());
}

int pipeline_devices(const RunConfig& config) {
  const int devices = device_count(config.devices);
  if (config.data_parallel < 1) throw Error("--data-parallel must be at least 1");
  if (devices % config.data_parallel != 0)
    throw Error("--devices {}: {} devices cannot be shared out evenly to --data-parallel {}",
                config.devices, devices, config.data_parallel);
  return devices / config.data_parallel;
}

std::vector<std::unique_ptr<Device>> make_devices(const RunConfig& config,
                                                  const Processes& processes) {
  const NamedDevices named = named_devices(config.devices);
  const int count = static_cast<int>(named.indices.size());
  if (count < processes.group->size())
    throw Error("--devices {}: {} processes need a device each; start fewer or name more",
                config.devices, processes.group->size());
  if (processes.group->size() > 1 && processes.group->between_queues() == (named.kind == "cpu"))
    throw Error("--devices {}: over several processes CPUs need --transport mpi, GPUs nccl",
                config.devices);
  std::vector<std::unique_ptr<Device>> devices(named.indices.size());
  for (size_t d = 0; d < devices.size(); ++d)
    if (processes.has(static_cast<int>(d), count)) devices[d] = make_device(config, named, d);
  return devices;
}

std::unique_ptr<Device> make_first_device(const RunConfig& config) {
  return make_device(config, named_devices(config.devices), 0);
}

}  // namespace headrace
