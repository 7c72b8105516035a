#include "cli/plugin_choice.h"

namespace headrace {

PluginRegistry plugin_registry(const Settings& settings) {
  return PluginRegistry({settings.plugin_path.begin(), settings.plugin_path.end()});
}

ChosenPlugins choose_plugins(const Settings& settings) {
  const PluginRegistry registry = plugin_registry(settings);
  return {registry.load_scheduler(settings.scheduler, settings.scheduler_options),
          registry.load_partitioner(settings.partitioner, settings.partitioner_options)};
}

}  // namespace headrace
