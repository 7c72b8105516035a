#pragma once

#include <memory>

#include "plugins/host/loaded_plugin.h"
#include "scheduler/scheduler.h"

namespace headrace {

// A Scheduler whose answers come from the plugin. Placements and the ranges of actions are checked
// here; whether the schedule is a whole step is for its callers to `validate`.
std::unique_ptr<Scheduler> make_scheduler(std::shared_ptr<const LoadedPlugin> plugin,
                                          OptionValues options);

}  // namespace headrace
