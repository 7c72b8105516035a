#pragma once

#include <vector>

#include "scheduler/schedule.h"

namespace headrace {

// Per stage, the most micro-batches whose activations it holds at once: from F to the end of B or
// I, in the order of the devices' lists.
std::vector<int> in_flight_of_stages(const Schedule& schedule, int stages);

}  // namespace headrace
