#pragma once

#include <memory>

#include "cli/settings.h"
#include "plugins/host/registry.h"

namespace headrace {

// Where plugins are looked for: --plugin-path before the usual folders.
PluginRegistry plugin_registry(const Settings& settings);

// The scheduler and the partitioner that the settings name, with their options. Throws Error.
struct ChosenPlugins {
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<PartitionStrategy> partitioner;
};
ChosenPlugins choose_plugins(const Settings& settings);

}  // namespace headrace
