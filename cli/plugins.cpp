#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "cli/text_table.h"
#include "plugins/host/options.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

const char* type_name(OptionType type) {
  switch (type) {
    case OptionType::integer:
      return "integer";
    case OptionType::floating:
      return "float";
    case OptionType::boolean:
      return "boolean";
    case OptionType::string:
      return "string";
    case OptionType::choice:
      return "choice";
  }
  return "";
}

ordered_json to_json(const PluginOption& option) {
  ordered_json json = {{"name", option.name},
                       {"type", type_name(option.type)},
                       {"default", option.default_value},
                       {"help", option.help}};
  if (!option.minimum.empty()) json["minimum"] = option.minimum;
  if (!option.maximum.empty()) json["maximum"] = option.maximum;
  if (!option.choices.empty()) json["choices"] = option.choices;
  return json;
}

ordered_json to_json(const PluginInfo& plugin) {
  ordered_json options = ordered_json::array();
  for (const auto& option : plugin.options) options.push_back(to_json(option));
  ordered_json json = {{"name", plugin.name},           {"kind", plugin.kind},
                       {"version", plugin.version},     {"summary", plugin.summary},
                       {"file", plugin.file.string()},  {"abi", plugin.abi},
                       {"build_tag", plugin.build_tag}, {"options", options}};
  if (!plugin.placement.empty()) json["placement"] = plugin.placement;
  if (!plugin.refused.empty()) json["refused"] = plugin.refused;
  return json;
}

void print_table(const std::vector<PluginInfo>& plugins) {
  TextTable table({{"name"}, {"kind"}, {"version"}, {"stages"}, {"what it does"}, {"file"}});
  for (const auto& plugin : plugins)
    if (plugin.refused.empty())
      table.add({plugin.name, plugin.kind, plugin.version, plugin.placement, plugin.summary,
                 plugin.file.string()});
  fmt::print("{}", table.text());
  for (const auto& plugin : plugins) {
    if (plugin.options.empty() || !plugin.refused.empty()) continue;
    fmt::print("\noptions of {} {}:\n", plugin.kind, plugin.name);
    for (const auto& option : plugin.options)
      fmt::print("  {}={}  {} ({})\n", option.name, option.default_value, option.help,
                 expected_value(option));
  }
  for (const auto& plugin : plugins)
    if (!plugin.refused.empty())
      fmt::print("\nrefused: {}\n  {}\n", plugin.file.string(), plugin.refused);
}

}  // namespace

void plugins_command(const Settings& settings) {
  const PluginRegistry registry = plugin_registry(settings);
  const std::vector<PluginInfo> plugins = registry.list();
  if (settings.json) {
    ordered_json list = ordered_json::array();
    for (const auto& plugin : plugins) list.push_back(to_json(plugin));
    print_json(list);
    return;
  }
  if (!plugins.empty()) return print_table(plugins);
  std::vector<std::string> folders;
  for (const auto& folder : registry.search_path()) folders.push_back(folder.string());
  fmt::print("no plugins in {}\n", fmt::join(folders, ", "));
}

}  // namespace headrace
