#pragma once

#include <vector>

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {

// For a placement in rounds, the cuts among `candidates` (as Chain::cuts) that make the largest
// stages of all rounds, summed, as small as these cuts allow: compute alone, without transfers and
// memory. By dynamic programming over the rounds, in memory of order candidates squared: give it
// coarse_cuts, more of them than stages.
std::vector<int> least_round_cuts(const Chain& chain, const std::vector<int>& candidates);

}  // namespace headrace::partitioners
