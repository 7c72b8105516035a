#pragma once

#include <cstdint>
#include <memory>

#include "executor/process_group.h"
#include "plugins/abi.h"

namespace headrace {

// headrace_plugin.table of HEADRACE_KIND_TRANSPORT. Unlike schedulers, transports exchange C++
// objects with the program, so both must be built from the same headers by the same compiler: the
// descriptor's build_tag has to equal kTransportTag to the letter.
struct TransportTable {
  uint32_t struct_size;
  // This process' place among those that were started together. Once per process; the group ends
  // with its object. Throws RunError.
  std::unique_ptr<ProcessGroup> (*join)();
};

// Compiler, standard library, and a digest of this header and of process_group.h (from the build).
#define HEADRACE_STRING_OF(text) #text
#define HEADRACE_STRING(text) HEADRACE_STRING_OF(text)
inline constexpr const char* kTransportTag =
#if defined(__clang__)
    "clang " __clang_version__
#else
    "gcc " __VERSION__
#endif
    ", libstdc++ " HEADRACE_STRING(_GLIBCXX_RELEASE) ", interface " HEADRACE_TRANSPORT_DIGEST;

}  // namespace headrace
