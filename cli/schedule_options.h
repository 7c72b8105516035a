#pragma once

#include "cli/option.h"

namespace headrace {

// The options that `headrace schedule` has for itself.
OptionGroup schedule_options();

}  // namespace headrace
