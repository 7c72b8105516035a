#include "cli/run_file.h"

#include <toml++/toml.h>
#include <filesystem>
#include <fstream>
#include <sstream>

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

}  // namespace

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
      if (option.meaning == Meaning::path || option.meaning == Meaning::written_file ||
          (option.meaning == Meaning::plugin && text.find('/') != std::string::npos))
        text = beside(fs::path(path).parent_path(), text);
    given.push_back({&option, label, std::move(texts)});
  }
  return given;
}

}  // namespace headrace
