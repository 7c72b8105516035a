#include "cli/plugin_choice.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "executor/devices.h"
#include "graph/error.h"
#include "graph/parse_number.h"

namespace headrace {

PluginRegistry plugin_registry(const Settings& settings) {
  return PluginRegistry({settings.plugin_path.begin(), settings.plugin_path.end()});
}

std::vector<std::string> found_plugins(const PluginRegistry& registry, const std::string& kind) {
  std::set<std::string> names;
  for (const PluginInfo& plugin : registry.list(kind)) names.insert(plugin.name);
  return {names.begin(), names.end()};
}

std::vector<std::string> listed_names(const std::vector<std::string>& lists,
                                      const std::string& option) {
  std::vector<std::string> names;
  for (const std::string& list : lists)
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      const std::string name = list.substr(begin, end - begin);
      if (name.empty()) throw Error("{} {}: a name is empty", option, list);
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
      begin = end + 1;
    }
  return names;
}

std::shared_ptr<const Backend> choose_backend(const Settings& settings) {
  const std::string kind = named_devices(settings.run.devices).kind;
  if (kind != "cpu") return plugin_registry(settings).load_backend(kind, settings.device_options);
  if (!settings.device_options.empty())
    throw Error("--device-option {}: CPUs have no options", settings.device_options.begin()->first);
  return nullptr;
}

ChosenPlugins choose_plugins(const Settings& settings) {
  const PluginRegistry registry = plugin_registry(settings);
  return {registry.load_scheduler(settings.scheduler, settings.scheduler_options),
          registry.load_partitioner(settings.partitioner, settings.partitioner_options)};
}

namespace {

// By the variables that launchers set: the mpirun of Open MPI, for CPUs that of MPICH, and for
// GPUs, which need no MPI, torchrun and srun.
bool started_with_others(bool cpus) {
  const auto several = [](const char* variable) {
    const char* count = std::getenv(variable);
    return count != nullptr && parse_number<int>(count).value_or(0) > 1;
  };
  if (several("OMPI_COMM_WORLD_SIZE")) return true;
  return cpus ? several("PMI_SIZE") : several("WORLD_SIZE") || several("SLURM_STEP_NUM_TASKS");
}

}  // namespace

std::unique_ptr<ProcessGroup> join_processes(const Settings& settings) {
  std::string transport = settings.transport;
  if (transport == "auto") {
    const bool cpus = named_devices(settings.run.devices).kind == "cpu";
    transport = !started_with_others(cpus) ? "inproc" : cpus ? "mpi" : "nccl";
  }
  if (transport == "inproc") return nullptr;
  return plugin_registry(settings).join_processes(transport);
}

}  // namespace headrace
