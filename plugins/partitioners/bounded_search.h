#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "plugins/partitioners/stage_domains.h"

namespace headrace::partitioners {

using Clock = std::chrono::steady_clock;

// Depth-first search over the devices of units, the weightiest first, that closes every branch
// which StageDomains proves to be over the limit. Units that led to dead ends gain weight
// (Boussemart et al., ECAI 2004), also over several calls.
class BoundedSearch {
 public:
  // Borrows `units`. At most StageDomains::kMostStages stages.
  BoundedSearch(const Units& units, Clock::time_point deadline);

  enum class Verdict { found, none, open };
  // Whether stages exist whose largest load is at most the limit: `found` them, there are `none`,
  // or it stays `open` after so many steps or the deadline.
  Verdict run(double limit_s, int64_t most_steps);
  // The last that were found; also, which devices are tried first.
  const std::vector<int>& stages() const { return stages_; }
  void set_first_choice(std::vector<int> stages) { stages_ = std::move(stages); }

  // Whether already the rules without search refuse the limit.
  bool refuses(double limit_s);

 private:
  Verdict search();
  std::optional<int> next_unit() const;
  uint64_t first_choice(int unit) const;

  const Units& units_;
  Clock::time_point deadline_;
  StageDomains domains_;
  std::vector<double> weight_;
  double bump_;
  std::vector<int> stages_;
  double limit_s_ = 0;
  int64_t steps_left_ = 0;
};

// The stages with the least bottleneck, as far as the time allows, and what is proved of it.
struct BoundedAnswer {
  std::vector<int> stages;  // empty: none are known
  double bottleneck_s = 0;
  double lower_bound_s = 0;  // the bottleneck itself where it is proved to be the least
  bool infeasible = false;   // proved
};

// Searches from `start` (may be empty) until the answer is proved or the time is up.
BoundedAnswer search_bounded(const Units& units, std::vector<int> start, double lower_bound_s,
                             Clock::time_point deadline);

}  // namespace headrace::partitioners
