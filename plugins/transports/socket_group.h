#pragma once

#include <chrono>
#include <memory>

#include "executor/process_group.h"
#include "plugins/transports/launcher.h"

namespace headrace {

// Processes that talk by TCP, all through rank 0: enough to agree on plans and losses, and to tell
// each other how to reach one another in a faster way. It carries no messages of a plan. Throws
// RunError when not all have met within `patience`.
std::unique_ptr<ProcessGroup> make_socket_group(const Launched& launched,
                                                std::chrono::seconds patience);

}  // namespace headrace
