#pragma once

#include <vector>

#include "plugins/partitioners/units.h"

namespace headrace::partitioners {

// Stages of the units to begin a search with: the best cuts of the nodes' own order. Empty where
// that has none that fit.
std::vector<int> contiguous_start(const sdk::PartitionRequest& request, const Units& units);

// No bottleneck is less than an equal share of the work, or than the largest unit on the fastest
// device.
double work_floor(const Units& units);

}  // namespace headrace::partitioners
