#include "plugins/host/registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/dll/runtime_symbol_info.hpp>
#include <cstdlib>
#include <map>
#include <string_view>

#include "graph/error.h"
#include "graph/nearest.h"
#include "plugins/backends/backend.h"
#include "plugins/host/loaded_plugin.h"
#include "plugins/host/options.h"
#include "plugins/host/partitioner_plugin.h"
#include "plugins/host/scheduler_plugin.h"
#include "plugins/transports/transport.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using Plugin = std::shared_ptr<const LoadedPlugin>;

constexpr std::string_view kSuffix = ".so";

std::vector<fs::path> split_path(const char* text) {
  std::vector<fs::path> folders;
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) folders.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return folders;
}

std::vector<fs::path> plugin_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code unreadable;  // a folder that cannot be read holds nothing for us
  for (const auto& entry : fs::directory_iterator(folder, unreadable))
    if (entry.path().extension() == kSuffix && !entry.is_directory()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool is_file_name(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(kSuffix);
}

Plugin expect_kind(Plugin plugin, const std::string& kind) {
  if (plugin->info().kind != kind)
    throw Error("plugin '{}' ({}) is a {}, not a {}", plugin->info().name,
                plugin->info().file.string(), plugin->info().kind, kind);
  return plugin;
}

// Why there is no plugin of the name, from all that was found.
[[noreturn]] void fail_to_find(const std::string& name, const std::string& kind,
                               const std::vector<fs::path>& search_path) {
  std::vector<std::string> known;
  for (const fs::path& folder : search_path) {
    for (const fs::path& file : plugin_files(folder)) {
      const PluginInfo info = examine_plugin(file).info;
      if (info.name == name)
        throw Error("plugin '{}' ({}) is a {}, not a {}", name, info.file.string(), info.kind,
                    kind);
      if (info.kind == kind) known.push_back(info.name);
    }
  }
  std::vector<std::string> folders;
  for (const fs::path& folder : search_path) folders.push_back(folder.string());
  if (known.empty())
    throw Error(
        "no {} '{}': no {} plugin in {}; add a folder with --plugin-path or "
        "HEADRACE_PLUGIN_PATH",
        kind, name, kind, fmt::join(folders, ", "));
  throw Error("no {} '{}'; the nearest is '{}' ('headrace plugins' lists all)", kind, name,
              nearest(name, known));
}

// Where plugins of a kind may be.
std::vector<fs::path> folders_of(const std::string& kind,
                                 const std::vector<fs::path>& search_path) {
  if (kind != "backend") return search_path;
  std::vector<fs::path> folders;
  for (const fs::path& folder : search_path) {
    folders.push_back(folder);
    folders.push_back(folder / "backends");
  }
  return folders;
}

std::vector<PluginInfo> listed(const std::vector<fs::path>& folders) {
  std::vector<PluginInfo> plugins;
  std::map<std::pair<std::string, std::string>, fs::path> first;  // kind, name -> file
  for (const fs::path& folder : folders) {
    for (const fs::path& file : plugin_files(folder)) {
      PluginInfo info = examine_plugin(file).info;
      if (info.refused.empty() && info.kind == "backend")
        info.refused = open_plugin(file)->backend().unusable();
      if (info.refused.empty()) {
        const auto [winner, is_first] = first.try_emplace({info.kind, info.name}, info.file);
        if (!is_first) info.refused = fmt::format("hidden by {}", winner->second.string());
      }
      plugins.push_back(std::move(info));
    }
  }
  return plugins;
}

// A file is usually called as its plugin, so that one lookup per folder does; only when none is,
// all are opened. A refused file of that name is what the user meant: no later one stands in for
// it.
Plugin find(const std::string& name, const std::string& kind,
            const std::vector<fs::path>& search_path) {
  if (is_file_name(name)) return expect_kind(open_plugin(name), kind);
  const auto matches = [&](const Plugin& plugin) {
    return plugin != nullptr && plugin->info().name == name && plugin->info().kind == kind;
  };
  for (const fs::path& folder : search_path) {
    const fs::path file = folder / (name + std::string(kSuffix));
    if (!fs::exists(file)) continue;
    if (Plugin plugin = open_plugin(file); matches(plugin)) return plugin;
  }
  for (const fs::path& folder : search_path)
    for (const fs::path& file : plugin_files(folder))
      if (Plugin plugin = examine_plugin(file).plugin; matches(plugin)) return plugin;
  fail_to_find(name, kind, search_path);
}

}  // namespace

PluginRegistry::PluginRegistry(const std::vector<fs::path>& folders) {
  std::vector<fs::path> candidates;
  for (const fs::path& folder : folders) {
    if (!fs::is_directory(folder)) throw Error("no plugin folder '{}'", folder.string());
    candidates.push_back(folder);
  }
  for (const fs::path& folder : split_path(std::getenv("HEADRACE_PLUGIN_PATH")))
    candidates.push_back(folder);
  std::error_code unknown;
  if (const fs::path program = boost::dll::program_location(unknown); !unknown)
    for (const char* folder : {"plugins", "../plugins", "../lib/headrace/plugins"})
      candidates.push_back(program.parent_path() / folder);

  for (const fs::path& folder : candidates) {
    std::error_code missing;
    const fs::path path = fs::canonical(folder, missing);
    if (missing || std::find(search_path_.begin(), search_path_.end(), path) != search_path_.end())
      continue;
    search_path_.push_back(path);
  }
}

std::vector<PluginInfo> PluginRegistry::list() const {
  return listed(folders_of("backend", search_path_));
}

std::vector<PluginInfo> PluginRegistry::list(const std::string& kind) const {
  std::vector<PluginInfo> plugins = listed(folders_of(kind, search_path_));
  std::erase_if(plugins, [&](const PluginInfo& plugin) {
    return plugin.kind != kind || !plugin.refused.empty();
  });
  return plugins;
}

std::unique_ptr<Scheduler> PluginRegistry::load_scheduler(const std::string& name_or_file,
                                                          const OptionValues& options) const {
  Plugin plugin = find(name_or_file, "scheduler", search_path_);
  OptionValues values = settle_options(plugin->info(), options);
  return make_scheduler(std::move(plugin), std::move(values));
}

std::unique_ptr<PartitionStrategy> PluginRegistry::load_partitioner(
    const std::string& name_or_file, const OptionValues& options) const {
  Plugin plugin = find(name_or_file, "partitioner", search_path_);
  OptionValues values = settle_options(plugin->info(), options);
  return make_partitioner(std::move(plugin), std::move(values));
}

std::shared_ptr<const Backend> PluginRegistry::load_backend(const std::string& kind,
                                                            const OptionValues& options) const {
  const Plugin plugin = find(kind, "backend", folders_of("backend", search_path_));
  if (const std::string reason = plugin->backend().unusable(); !reason.empty())
    throw Error("devices of the kind '{}' cannot be used here: {}", kind, reason);
  return plugin->backend().open(settle_options(plugin->info(), options));
}

std::unique_ptr<ProcessGroup> PluginRegistry::join_processes(
    const std::string& name_or_file) const {
  return find(name_or_file, "transport", search_path_)->transport().join();
}

}  // namespace headrace
