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
