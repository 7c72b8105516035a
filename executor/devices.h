#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/processes.h"
#include "executor/run_config.h"
#include "kernels/device.h"

namespace headrace {

// What a `--devices` text names, all of one kind: "cpu:4" is four teams of threads, "cpu" one;
// of other kinds the machine's devices by number, "cuda:1", "cuda:0-3", "cuda" for the first.
// Lists with commas: "cpu:2,cpu:1", "cuda:0,cuda:2"; a number may be there twice, as two devices
// that share the hardware. Throws Error.
struct NamedDevices {
  std::string kind;          // "cpu", "cuda"
  std::vector<int> indices;  // of cpu: 0, 1, ...
};
NamedDevices named_devices(const std::string& text);
int device_count(const std::string& text);
// Of one replica of the pipeline. Throws Error where the devices cannot be shared out evenly.
int pipeline_devices(const RunConfig& config);

// The devices of a run: CPUs with config.threads_per_device threads each (0 shares the machine's
// cores out evenly, at least one thread each), others as config.backend makes them. Only those of
// this process; null stands for the others. Throws Error when there are fewer devices than
// processes.
std::vector<std::unique_ptr<Device>> make_devices(const RunConfig& config,
                                                  const Processes& processes = {});
// The first of them alone, to plan with.
std::unique_ptr<Device> make_first_device(const RunConfig& config);

}  // namespace headrace
