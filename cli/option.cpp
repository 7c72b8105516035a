#include "cli/option.h"

#include <charconv>
#include <cmath>
#include <type_traits>

#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

template <typename Number>
Number number_of(const Option& option, const std::string& label, const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const char* kind = std::is_floating_point_v<Number> ? "a number" : "a whole number";
  if (text.empty() || error != std::errc() || stop != end ||
      !std::isfinite(static_cast<double>(number)))
    throw Error("{}: '{}' is not {}{}", label, text, kind,
                error == std::errc::result_out_of_range ? " in range" : "");
  const auto value = static_cast<double>(number);
  if (value < option.least) throw Error("{}: {} is less than {}", label, text, option.least);
  if (value > option.most) throw Error("{}: {} is more than {}", label, text, option.most);
  return number;
}

bool parse_bool(const std::string& label, const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  throw Error("{}: '{}' is neither true nor false", label, text);
}

std::pair<std::string, std::string> parse_pair(const std::string& label, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error("{}: '{}' is not of the form name=value", label, text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

struct Assign {
  const Option& option;
  const std::string& label;
  const std::vector<std::string>& values;

  const std::string& last() const { return values.back(); }

  void operator()(bool* setting) const { *setting = parse_bool(label, last()); }
  void operator()(Cleared flag) const { *flag.setting = !parse_bool(label, last()); }
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void operator()(Number* setting) const { *setting = number_of<Number>(option, label, last()); }
  void operator()(std::optional<int64_t>* setting) const {
    *setting = number_of<int64_t>(option, label, last());
  }
  void operator()(std::optional<double>* setting) const {
    *setting = number_of<double>(option, label, last());
  }
  void operator()(std::string* setting) const { *setting = last(); }
  void operator()(std::vector<std::string>* setting) const { *setting = values; }
  void operator()(std::map<std::string, int64_t>* setting) const {
    for (const auto& text : values) {
      const auto [name, value] = parse_pair(label, text);
      (*setting)[name] = number_of<int64_t>(option, label, value);
    }
  }
  void operator()(OptionValues* setting) const {
    for (const auto& text : values) {
      const auto [name, value] = parse_pair(label, text);
      (*setting)[name] = value;
    }
  }
  void operator()(Decay* setting) const {
    try {
      *setting = decay_named(last());
    } catch (const Error& error) {
      throw Error("{}: {}", label, error.what());
    }
  }
};

struct DefaultText {
  std::string operator()(std::string* setting) const { return *setting; }
  std::string operator()(Decay*) const { return "constant"; }
  template <typename Number>
  requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>) std::string operator()(
      Number* setting) const {
    return fmt::format("{}", *setting);
  }
  template <typename Other>
  std::string operator()(Other) const {
    return {};
  }
};

bool names(const std::vector<GivenOption>& given, const std::string& name) {
  for (const auto& each : given)
    if (each.option->name == name) return true;
  return false;
}

}  // namespace

const Option& find_option(const std::string& name, unsigned commands, const std::string& label) {
  std::vector<std::string> known;
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if ((option.commands & commands) == 0) continue;
      if (option.name == name) return option;
      known.push_back(option.name);
    }
  }
  throw Error("{} is unknown; did you mean '{}'?", label, nearest(name, known));
}

void apply_options(const std::vector<GivenOption>& given, Settings& settings) {
  if (names(given, "scheduler")) settings.scheduler_options.clear();
  if (names(given, "partitioner")) settings.partitioner_options.clear();
  if (names(given, "epochs")) settings.train.steps.reset();
  if (names(given, "steps")) settings.train.epochs.reset();
  for (const auto& [option, label, values] : given) {
    if (values.empty()) throw Error("{}: no value is given", label);
    std::visit(Assign{*option, label, values}, option->target(settings));
  }
}

std::string default_text(const Option& option) {
  Settings defaults;
  return std::visit(DefaultText{}, option.target(defaults));
}

bool is_flag(const Option& option) { return option.value.empty(); }

}  // namespace headrace
