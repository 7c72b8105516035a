#pragma once

#include <filesystem>
#include <string>

#include "kernels/device.h"

namespace headrace {

// What a measurement on a device holds for: "AMD EPYC 9R14 / cpu, 2 threads".
std::string machine_name(const Device& device);

// Bytes of the largest cache of this machine's first processor; a usual size where it is not told.
double last_cache_bytes();

// Where measurements are kept: `$XDG_CACHE_HOME/headrace`, or `~/.cache/headrace`. It may not exist
// yet.
std::filesystem::path cache_folder();

// The text of a file, empty when there is none or it holds more than `most` bytes.
std::string read_small_file(const std::filesystem::path& path, std::uintmax_t most);

// Puts `text` at `path` by way of a file beside it, so that a reader sees the old contents or the
// new ones. False when that failed; nothing is left behind then.
bool replace_file(const std::filesystem::path& path, const std::string& text);

}  // namespace headrace
