#include "graph/attributes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "graph/error.h"

namespace headrace {
namespace {

using Items = std::map<std::string, Attribute, std::less<>>;

template <typename T>
const T* find(const Items& items, std::string_view name) {
  const auto it = items.find(name);
  if (it == items.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  HEADRACE_CHECK(value != nullptr, "attribute {} is of another kind", name);
  return value;
}

template <typename T>
const T& get(const Items& items, std::string_view name) {
  const T* value = find<T>(items, name);
  HEADRACE_CHECK(value != nullptr, "attribute {} is missing", name);
  return *value;
}

struct Print {
  std::string operator()(const std::string& s) const { return fmt::format("\"{}\"", s); }
  std::string operator()(int64_t i) const { return fmt::format("{}", i); }
  std::string operator()(double f) const { return fmt::format("{}", f); }
  template <typename T>
  std::string operator()(const std::vector<T>& list) const {
    return fmt::format("[{}]", fmt::join(list, ", "));
  }
};

}  // namespace

int64_t Attributes::get_int(std::string_view name) const { return get<int64_t>(items_, name); }
int64_t Attributes::get_int(std::string_view name, int64_t fallback) const {
  const auto* value = find<int64_t>(items_, name);
  return value ? *value : fallback;
}
double Attributes::get_float(std::string_view name) const { return get<double>(items_, name); }
double Attributes::get_float(std::string_view name, double fallback) const {
  const auto* value = find<double>(items_, name);
  return value ? *value : fallback;
}
const std::string& Attributes::get_string(std::string_view name) const {
  return get<std::string>(items_, name);
}
std::string Attributes::get_string(std::string_view name, std::string_view fallback) const {
  const auto* value = find<std::string>(items_, name);
  return value ? *value : std::string(fallback);
}
const std::vector<int64_t>& Attributes::get_ints(std::string_view name) const {
  return get<std::vector<int64_t>>(items_, name);
}
const std::vector<double>& Attributes::get_floats(std::string_view name) const {
  return get<std::vector<double>>(items_, name);
}

std::string to_string(const Attributes& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes.items())
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, std::visit(Print{}, value));
  return text;
}

}  // namespace headrace
