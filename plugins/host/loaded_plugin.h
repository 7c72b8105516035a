#pragma once

#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <memory>

#include "plugins/abi.h"
#include "plugins/host/plugin_info.h"

namespace headrace {

struct BackendTable;    // plugins/backends/backend.h
struct TransportTable;  // plugins/transports/transport.h

// A shared object whose descriptor has been checked: magic, ABI, sizes, a known kind with a table
// that is whole, option defaults that lie in their ranges.
class LoadedPlugin {
 public:
  const PluginInfo& info() const { return info_; }
  const headrace_scheduler& scheduler() const;      // only of the kind "scheduler"
  const headrace_partitioner& partitioner() const;  // only of the kind "partitioner"
  const BackendTable& backend() const;              // only of the kind "backend"
  const TransportTable& transport() const;          // only of the kind "transport"

  LoadedPlugin(boost::dll::shared_library library, const headrace_plugin& descriptor,
               PluginInfo info);

 private:
  boost::dll::shared_library library_;  // first: outlives everything that points into it
  const headrace_plugin* descriptor_;
  PluginInfo info_;
};

// What became of a file: `plugin`, or null and the reason in `info.refused`.
struct Examined {
  PluginInfo info;
  std::shared_ptr<const LoadedPlugin> plugin;
};

// Loads a file, or finds it loaded. Plugins stay loaded until the process ends, since threads and
// objects of theirs may live that long; refused ones are closed again. Threads may call it at once.
Examined examine_plugin(const std::filesystem::path& file);

// The plugin of `examine_plugin`; throws Error with the file and the reason when it was refused.
std::shared_ptr<const LoadedPlugin> open_plugin(const std::filesystem::path& file);

}  // namespace headrace
