#include "plugins/host/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/parse_number.h"

namespace headrace {
namespace {

template <typename Number>
bool in_range(const PluginOption& option, const std::string& text) {
  const auto number = parse_number<Number>(text);
  if (!number) return false;
  const auto least = parse_number<Number>(option.minimum),
             most = parse_number<Number>(option.maximum);
  return (!least || *number >= *least) && (!most || *number <= *most);
}

}  // namespace

std::string expected_value(const PluginOption& option) {
  switch (option.type) {
    case OptionType::boolean:
      return "true or false";
    case OptionType::string:
      return "any text";
    case OptionType::choice:
      return fmt::format("one of {}", fmt::join(option.choices, ", "));
    case OptionType::integer:
    case OptionType::floating:
      break;
  }
  const char* what = option.type == OptionType::integer ? "an integer" : "a number";
  if (option.minimum.empty() && option.maximum.empty()) return what;
  if (option.maximum.empty()) return fmt::format("{} from {}", what, option.minimum);
  if (option.minimum.empty()) return fmt::format("{} up to {}", what, option.maximum);
  return fmt::format("{} from {} to {}", what, option.minimum, option.maximum);
}

bool is_value_of(const PluginOption& option, const std::string& text) {
  switch (option.type) {
    case OptionType::integer:
      return in_range<int64_t>(option, text);
    case OptionType::floating:
      return in_range<double>(option, text);
    case OptionType::boolean:
      return text == "true" || text == "false";
    case OptionType::string:
      return true;
    case OptionType::choice:
      return std::find(option.choices.begin(), option.choices.end(), text) != option.choices.end();
  }
  return false;
}

OptionValues settle_options(const PluginInfo& plugin, const OptionValues& given) {
  OptionValues values;
  std::vector<std::string> names;
  for (const PluginOption& option : plugin.options) {
    names.push_back(option.name);
    values[option.name] = option.default_value;
  }
  for (const auto& [name, value] : given) {
    const auto option = std::ranges::find(plugin.options, name, &PluginOption::name);
    if (option == plugin.options.end()) {
      if (names.empty())
        throw Error("{} {} has no options, '{}' was given", plugin.kind, plugin.name, name);
      throw Error("{} {} has no option '{}'; the nearest is '{}'", plugin.kind, plugin.name, name,
                  nearest(name, names));
    }
    if (!is_value_of(*option, value))
      throw Error("{} {}: option '{}' takes {}, not '{}'", plugin.kind, plugin.name, name,
                  expected_value(*option), value);
    values[name] = value;
  }
  return values;
}

}  // namespace headrace
