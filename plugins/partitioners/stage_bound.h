#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {

// For contiguous stages, the least possible cost of the largest one, where a stage costs its
// compute plus its transfers and every stage is taken for a device of its own: it receives each
// value that it needs once, and sends each value that is needed elsewhere once: exact for host
// communication; otherwise a value that several other stages read costs its sender more, so this is
// a lower bound there and exact elsewhere.
// By dynamic programming from the last stage. Stages over their device's memory are left out.
class StageBound {
 public:
  // Chooses among `cuts` (as Chain::cuts), which must be more than the stages. No stage may cost
  // more than `upper`: the tighter, the faster.
  StageBound(const Chain& chain, std::vector<int> cuts, double upper);

  // Whether any choice keeps within `upper`, and every single stage within its device's memory.
  bool feasible() const { return least_[0] < kNever; }
  // The least largest stage, and cuts that reach it.
  double bound() const { return least_[0]; }
  std::vector<int> best_cuts() const;

  // A lower bound on the same for the stages `stage` and later when that one begins at cuts[cut]:
  // the least itself up to `upper`, `upper` where it is more.
  double least(size_t stage, size_t cut) const {
    return std::min(least_[cut * row_ + stage], upper_);
  }

  static constexpr double kNever = std::numeric_limits<double>::infinity();

 private:
  std::vector<int> cuts_;
  double upper_;
  size_t row_;                 // stages + 1
  std::vector<double> least_;  // [cut, stage]
  std::vector<int> next_;      // [cut, stage]: the index of the cut where the stage ends
};

// Some of the chain's cuts, for a first answer: the cheapest to cross of each run of nodes that has
// an equal share of the work. At most a few hundred.
std::vector<int> coarse_cuts(const Chain& chain);

}  // namespace headrace::partitioners
