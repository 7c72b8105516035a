#include "executor/device_limits.h"

#include <string_view>

#include "executor/parse_bytes.h"
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

}  // namespace

std::vector<int64_t> memory_limits(const std::string& text, int devices) {
  if (text.empty()) return std::vector<int64_t>(static_cast<size_t>(devices));
  std::vector<int64_t> limits;
  for (const std::string_view item : items("--memory", text, devices)) {
    const auto bytes = parse_bytes(item);
    if (!bytes)
      throw Error("--memory {}: '{}' is no size; write it as 2GiB, 500MB or a number of bytes",
                  text, item);
    limits.push_back(*bytes);
  }
  return limits;
}

}  // namespace headrace
