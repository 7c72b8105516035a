#include "executor/device_limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "graph/error.h"
#include "graph/split.h"

namespace headrace {
namespace {

// The items of a list, the only one once for each device; they look into `text`.
std::vector<std::string_view> items(const char* option, const std::string& text, int devices) {
  std::vector<std::string_view> result = split(text, ',');
  const auto wanted = static_cast<size_t>(devices);
  if (result.size() == 1) result.resize(wanted, result[0]);
  if (result.size() != wanted)
    throw Error("{} {}: {} values for {} devices; give one, or one for each", option, text,
                result.size(), devices);
  return result;
}

// Reads the number that `item` begins with and takes it off.
double take_number(std::string_view& item) {
  double number = 0;
  const auto [stop, error] = std::from_chars(item.data(), item.data() + item.size(), number);
  if (error != std::errc() || !std::isfinite(number)) return -1;
  item.remove_prefix(static_cast<size_t>(stop - item.data()));
  return number;
}

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 10> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"kB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"KiB", 1024.0},
                                          {"MiB", 1048576.0},
                                          {"GiB", 1073741824.0},
                                          {"TiB", 1099511627776.0}}};

}  // namespace

std::vector<int64_t> memory_limits(const std::string& text, int devices) {
  if (text.empty()) return std::vector<int64_t>(static_cast<size_t>(devices));
  std::vector<int64_t> limits;
  for (const std::string_view item : items("--memory", text, devices)) {
    std::string_view rest = item;
    const double number = take_number(rest);
    const auto* const unit = std::ranges::find(kUnits, rest, &Unit::name);
    if (number < 0 || unit == kUnits.end() || number * unit->bytes > 1e18)
      throw Error("--memory {}: '{}' is no size; write it as 2GiB, 500MB or a number of bytes",
                  text, item);
    limits.push_back(static_cast<int64_t>(number * unit->bytes));
  }
  return limits;
}

}  // namespace headrace
