#pragma once

#include <cstdint>
#include <memory>

#include "executor/process_group.h"
#include "plugins/abi.h"
#include "plugins/build_tag.h"

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

inline constexpr const char* kTransportTag = HEADRACE_BUILD_TAG(HEADRACE_TRANSPORT_DIGEST);

}  // namespace headrace

// The plugin's one exported symbol.
#define HEADRACE_DEFINE_TRANSPORT(name, summary, join)                                          \
  extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) {        \
    static constexpr headrace::TransportTable table = {sizeof(headrace::TransportTable), join}; \
    static constexpr headrace_plugin plugin = {HEADRACE_PLUGIN_MAGIC,                           \
                                               HEADRACE_ABI_MAJOR,                              \
                                               HEADRACE_ABI_MINOR,                              \
                                               sizeof(headrace_plugin),                         \
                                               HEADRACE_KIND_TRANSPORT,                         \
                                               name,                                            \
                                               HEADRACE_PLUGIN_VERSION,                         \
                                               summary,                                         \
                                               headrace::kTransportTag,                         \
                                               nullptr,                                         \
                                               0,                                               \
                                               sizeof(headrace_option),                         \
                                               &table};                                         \
    return &plugin;                                                                             \
  }
