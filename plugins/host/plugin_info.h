#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace headrace {

enum class OptionType { integer, floating, boolean, string, choice };

// A row of a plugin's option table. Values are text, as users write them.
struct PluginOption {
  std::string name = {};
  OptionType type = OptionType::string;
  std::string default_value = {};
  std::string minimum = {}, maximum = {};  // numbers; empty: no bound
  std::vector<std::string> choices = {};   // OptionType::choice
  std::string help = {};
};

// What a user gives: option name -> value.
using OptionValues = std::map<std::string, std::string>;

// A plugin as `headrace plugins` lists it. Of a refused one only `file`, `name` (from the file),
// `refused` and, where it could be read, `abi` are set.
struct PluginInfo {
  std::filesystem::path file = {};
  std::string name = {};
  std::string kind = {};  // "scheduler", "partitioner", "backend", "transport"
  std::string version = {};
  std::string summary = {};
  std::string abi = {};        // "1.0"
  std::string build_tag = {};  // the compiler
  std::string placement = {};  // of stages, by a scheduler; empty: not told
  std::vector<PluginOption> options = {};
  std::string refused = {};  // why it cannot be used; empty: it can
};

}  // namespace headrace
