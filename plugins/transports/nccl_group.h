#pragma once

#include <memory>

#include "executor/process_group.h"

namespace headrace {

// GPUs of several processes by NCCL, a communicator of two for each channel; everything else
// by `control`.
std::unique_ptr<ProcessGroup> make_nccl_group(std::unique_ptr<ProcessGroup> control);

}  // namespace headrace
