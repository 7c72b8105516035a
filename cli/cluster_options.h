#pragma once

#include "cli/option.h"

namespace headrace {

// Links, nodes, speeds and replicas of the machine that `schedule` and `plan` simulate.
OptionGroup cluster_options();

}  // namespace headrace
