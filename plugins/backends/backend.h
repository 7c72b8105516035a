#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "executor/backend.h"
#include "plugins/abi.h"
#include "plugins/build_tag.h"

namespace headrace {

// headrace_plugin.table of HEADRACE_KIND_BACKEND. The plugin's name is the kind of its devices:
// "cuda" makes those of `--devices cuda:0`. Backends exchange C++ objects with the program: the
// descriptor's build_tag has to equal kBackendTag to the letter.
struct BackendTable {
  uint32_t struct_size;
  // Why this machine has no device of the kind that can be used; empty where it has one.
  std::string (*unusable)();
  // By the values of all options of the plugin's table, checked. Throws Error.
  std::unique_ptr<Backend> (*open)(const std::map<std::string, std::string>& options);
};

inline constexpr const char* kBackendTag = HEADRACE_BUILD_TAG(HEADRACE_BACKEND_DIGEST);

}  // namespace headrace
