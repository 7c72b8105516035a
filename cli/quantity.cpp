#include "cli/quantity.h"

#include <fmt/format.h>

#include <cmath>

namespace headrace {
namespace {

std::string three_digits(double value) {
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

}  // namespace

std::string show_number(double number) {
  static constexpr const char* kPrefixes[] = {"", " k", " M", " G", " T", " P"};
  size_t p = 0;
  while (std::abs(number) >= 999.5 && p + 1 < std::size(kPrefixes)) {
    number /= 1000;
    ++p;
  }
  return (p == 0 ? fmt::format("{:.0f}", number) : three_digits(number)) + kPrefixes[p];
}

std::string show_bytes(double bytes) {
  const std::string number = show_number(bytes);
  return number + (number.find(' ') == std::string::npos ? " B" : "B");
}

std::string show_seconds(double seconds) {
  if (std::abs(seconds) >= 0.9995) return three_digits(seconds) + " s";
  if (std::abs(seconds) >= 0.9995e-3) return three_digits(seconds * 1e3) + " ms";
  return three_digits(seconds * 1e6) + " us";
}

std::string show_count(int64_t count) {
  std::string text = fmt::format("{}", count);
  const size_t first = text.starts_with('-') ? 1 : 0;
  for (size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string show_percent(double fraction) { return fmt::format("{:.1f} %", 100 * fraction); }

std::string one_of_replicas(int replicas) {
  return replicas > 1 ? fmt::format(", one of {} replicas", replicas) : "";
}

}  // namespace headrace
