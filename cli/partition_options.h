#pragma once

#include "cli/option.h"

namespace headrace {

// The options that `headrace partition` has for itself.
OptionGroup partition_options();

}  // namespace headrace
