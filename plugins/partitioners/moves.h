#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "plugins/partitioners/units.h"

namespace headrace::partitioners {

struct MoveSearch {
  uint64_t seed = 1;
  int starts = 1;            // as many, unless the deadline or the bound comes first
  double lower_bound_s = 0;  // an answer that reaches it ends the search
  std::chrono::steady_clock::time_point deadline;
};

// The stages with the least bottleneck that moving single units finds, where the order of units
// does not matter and stages may be empty: simulated annealing (Kirkpatrick et al., Science 1983)
// from several starts. Each begins with units that exchange much tied together, and lets them go at
// the end. The first start is `start`. Equal seeds give equal answers unless the deadline cuts in.
std::vector<int> search_moves(const Units& units, const std::vector<int>& start,
                              const MoveSearch& how);

}  // namespace headrace::partitioners
