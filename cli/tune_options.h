#pragma once

#include "cli/option.h"

namespace headrace {

// What `bench` and `tune` compare, and what `tune` does with the best.
OptionGroup tune_options();

}  // namespace headrace
