#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "plugins/host/registry.h"

namespace headrace {

// Where plugins are looked for: --plugin-path before the usual folders.
PluginRegistry plugin_registry(const Settings& settings);

// The names of the plugins of one kind that are found and can be used, in order.
std::vector<std::string> found_plugins(const PluginRegistry& registry, const std::string& kind);

// Names of which each text is a list with commas, each once. Throws Error for an empty one;
// `option` tells where they were given.
std::vector<std::string> listed_names(const std::vector<std::string>& lists,
                                      const std::string& option);

// The maker of the devices that --devices names; null for CPUs. Throws Error.
std::shared_ptr<const Backend> choose_backend(const Settings& settings);

// The scheduler and the partitioner that the settings name, with their options. Throws Error.
struct ChosenPlugins {
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<PartitionStrategy> partitioner;
};
ChosenPlugins choose_plugins(const Settings& settings);

// The processes that were started together, by the transport that the settings name; null: this one
// alone. Once in a process. Throws Error, RunError.
std::unique_ptr<ProcessGroup> join_processes(const Settings& settings);

}  // namespace headrace
