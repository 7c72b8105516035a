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

// The stages with the least bottleneck that moving single units finds where stages may be empty:
// simulated annealing (Kirkpatrick et al., Science 1983) from several starts. Where units have no
// order, each begins with units that exchange much tied together, and lets them go at the end; the
// first start is `start`. Where they have one, every device must have one stage, `start` is in
// order and so is all that follows: each start is the best so far. Equal seeds give equal answers
// unless the deadline cuts in.
std::vector<int> search_moves(const Units& units, const std::vector<int>& start,
                              const MoveSearch& how);

}  // namespace headrace::partitioners
