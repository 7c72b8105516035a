#include "executor/machine_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

namespace headrace {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown";
}

// "32768K" as Linux writes it; 0 for anything else.
double cache_size(const std::filesystem::path& path) {
  std::ifstream file(path);
  double size = 0;
  char unit = 0;
  if (!(file >> size >> unit)) return 0;
  return unit == 'K' ? size * 1024 : unit == 'M' ? size * 1024 * 1024 : 0;
}

}  // namespace

double last_cache_bytes() {
  constexpr double kUsual = 32 << 20;
  double largest = 0;
  for (int level = 0; level < 8; ++level)
    largest = std::max(
        largest, cache_size(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", level)));
  return largest > 0 ? largest : kUsual;
}

std::string machine_name(const Device& device) {
  return fmt::format("{} / {}", processor_name(), device.description());
}

std::filesystem::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "headrace";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/tmp" : home) / ".cache/headrace";
}

std::string read_small_file(const std::filesystem::path& path, std::uintmax_t most) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  if (std::filesystem::file_size(path, error) > most || error) return {};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool replace_file(const std::filesystem::path& path, const std::string& text) {
  const auto temporary = path.string() + fmt::format(".{}", getpid());
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (file && !error) return true;
  std::filesystem::remove(temporary, error);
  return false;
}

}  // namespace headrace
