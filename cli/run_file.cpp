#include "cli/run_file.h"

#include <toml++/toml.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "executor/machine_cache.h"
#include "graph/error.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  if (fs::is_directory(path)) throw Error("{}: is a folder, not a run file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("{}: cannot be opened", path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A plain value as it would be written on the command line.
std::string text_of(const toml::node& node, const std::string& label) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  throw Error("{}: takes text, numbers, true or false", label);
}

bool is_list(const Target& target) {
  return std::holds_alternative<std::vector<std::string>*>(target);
}
bool is_map(const Target& target) {
  return std::holds_alternative<OptionValues*>(target) ||
         std::holds_alternative<std::map<std::string, int64_t>*>(target);
}

std::vector<std::string> texts_of(const toml::node& node, const Option& option,
                                  const std::string& label) {
  Settings any;
  const Target target = option.target(any);
  std::vector<std::string> texts;
  if (const auto* table = node.as_table(); table != nullptr && is_map(target)) {
    for (const auto& [name, value] : *table)
      texts.push_back(fmt::format("{}={}", name.str(), text_of(value, label)));
  } else if (const auto* array = node.as_array();
             array != nullptr && (is_list(target) || is_map(target))) {
    for (const auto& value : *array) texts.push_back(text_of(value, label));
  } else if (node.is_table() || node.is_array()) {
    throw Error("{}: takes one value", label);
  } else {
    texts.push_back(text_of(node, label));
  }
  return texts;
}

std::string beside(const fs::path& folder, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  return (folder / path).lexically_normal().string();
}

// A path as one writes it in a file of that folder.
std::string seen_from(const fs::path& folder, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  const fs::path there = fs::weakly_canonical(fs::absolute(path));
  const fs::path seen = there.lexically_relative(fs::weakly_canonical(fs::absolute(folder)));
  return seen.empty() ? there.string() : seen.string();
}

bool is_path(const Option& option, const std::string& text) {
  return option.meaning == Meaning::path || option.meaning == Meaning::written_file ||
         (option.meaning == Meaning::name_or_path && text.find('/') != std::string::npos);
}

// Puts a setting into a table under its option's name; nothing where it is not set.
struct Put {
  toml::table& table;
  const Option& option;
  const fs::path& folder;  // of the file

  template <typename Value>
  void put(Value value) const {
    table.insert(option.name, std::move(value));
  }
  std::string text(const std::string& value) const {
    return is_path(option, value) ? seen_from(folder, value) : value;
  }

  void operator()(const bool* setting) const { put(*setting); }
  void operator()(Cleared flag) const { put(!*flag.setting); }
  template <typename Number>
  requires std::is_integral_v<Number>
  void operator()(const Number* setting) const { put(static_cast<int64_t>(*setting)); }
  void operator()(const double* setting) const { put(*setting); }
  void operator()(const std::string* setting) const { put(text(*setting)); }
  void operator()(const Decay* setting) const { put(std::string(name_of(*setting))); }
  template <typename Number>
  void operator()(const std::optional<Number>* setting) const {
    if (*setting) put(**setting);
  }
  void operator()(const std::vector<std::string>* setting) const {
    toml::array array;
    for (const std::string& each : *setting) array.push_back(text(each));
    put(std::move(array));
  }
  template <typename Value>
  void operator()(const std::map<std::string, Value>* setting) const {
    toml::table values;
    for (const auto& [name, value] : *setting) values.insert(name, value);
    put(std::move(values));
  }
};

// What every plan is made of, written even where it is the default.
bool always_written(const std::string& name) {
  static const std::set<std::string> names = {"devices",      "stages-per-device", "batch",
                                              "microbatches", "scheduler",         "partitioner"};
  return names.contains(name);
}

}  // namespace

void write_run_file(const std::string& path, const Settings& settings, unsigned commands) {
  const fs::path folder = fs::path(path).parent_path();
  Settings given = settings, defaults;
  toml::table all;
  for (const OptionGroup& group : option_groups())
    for (const Option& option : group.options) {
      if ((option.commands & commands) == 0 || all.contains(option.name)) continue;
      toml::table now, before;
      std::visit(Put{now, option, folder}, option.target(given));
      std::visit(Put{before, option, folder}, option.target(defaults));
      if (now != before || always_written(option.name))
        for (auto& [name, value] : now) all.insert(name, value);
    }
  std::ostringstream text;
  text << all << "\n";
  if (!replace_file(path, text.str())) throw RunError("{}: cannot be written", path);
}

std::vector<GivenOption> read_run_file(const std::string& path, unsigned commands) {
  toml::table table;
  try {
    table = toml::parse(read_text(path), path);
  } catch (const toml::parse_error& error) {
    throw Error("{}:{}: {}", path, error.source().begin.line, error.description());
  }
  std::vector<GivenOption> given;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string place = fmt::format("{}:{}", path, key.source().begin.line);
    const Option& option = find_option(name, commands, fmt::format("{}: key '{}'", place, name));
    const std::string label = fmt::format("{}: {}", place, name);
    std::vector<std::string> texts = texts_of(node, option, label);
    if (texts.empty()) continue;  // an empty list or table asks for nothing
    for (std::string& text : texts)
      if (is_path(option, text)) text = beside(fs::path(path).parent_path(), text);
    given.push_back({&option, label, std::move(texts)});
  }
  return given;
}

}  // namespace headrace
