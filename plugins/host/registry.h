#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "executor/backend.h"
#include "executor/process_group.h"
#include "partitioner/strategy.h"
#include "plugins/host/plugin_info.h"
#include "scheduler/scheduler.h"

namespace headrace {

// Finds and loads plugins. Folders are searched in this order for <name>.so, then for a file
// of another name that holds the plugin: those given, those in HEADRACE_PLUGIN_PATH (separated by
// ':'), and beside the executable `plugins`, `../plugins` and `../lib/headrace/plugins`. Backends
// are also looked for in a folder `backends` within each: they are large, so only who asks for one
// loads them. Const and without state: any thread may use it.
class PluginRegistry {
 public:
  // Throws Error when a given folder does not exist.
  explicit PluginRegistry(const std::vector<std::filesystem::path>& folders = {});

  const std::vector<std::filesystem::path>& search_path() const { return search_path_; }

  // Every shared object on the search path, in its order, with what it says of itself or why it is
  // refused (also: hidden by an earlier one, unusable here). Loads all of them.
  std::vector<PluginInfo> list() const;
  // Those of one kind that are not refused.
  std::vector<PluginInfo> list(const std::string& kind) const;

  // By name, or by file (with a '/' or ending in ".so"). Throws Error, one line, when there is no
  // such plugin (names the nearest), it is refused or of another kind, or an option is unknown or
  // out of range.
  std::unique_ptr<Scheduler> load_scheduler(const std::string& name_or_file,
                                            const OptionValues& options = {}) const;
  std::unique_ptr<PartitionStrategy> load_partitioner(const std::string& name_or_file,
                                                      const OptionValues& options = {}) const;

  // The maker of devices of a kind. Throws Error as above, and where no such device can be used
  // here, with the reason.
  std::shared_ptr<const Backend> load_backend(const std::string& kind,
                                              const OptionValues& options = {}) const;

  // Joins the processes that were started together, by a transport's name or file: once in a
  // process. Throws Error as above, RunError when the transport fails.
  std::unique_ptr<ProcessGroup> join_processes(const std::string& name_or_file) const;

 private:
  std::vector<std::filesystem::path> search_path_;
};

}  // namespace headrace
