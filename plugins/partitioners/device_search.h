#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plugins/partitioners/chain.h"
#include "plugins/partitioners/stage_bound.h"

namespace headrace::partitioners {

// What a choice of cuts costs. Unlike StageBound it counts every transfer as it falls due: none
// between stages on one device, one for each device that needs the value.
struct Load {
  int64_t overflow_bytes = 0;  // over the devices' memory limits, summed
  double largest_device_s = 0;
  double largest_stage_s = 0;  // compute of one stage
  double rounds_s = 0;         // the largest stage of every round, summed; 0 without rounds

  // About what a step takes. The busiest device works off every micro-batch; in rounds the devices
  // do so side by side, so that each round takes as long as its largest stage; and with several
  // stages per device the pipeline fills and drains stage by stage.
  double step_s(const Chain& chain) const {
    return chain.microbatches * std::max(largest_device_s, rounds_s) +
           chain.ramp_stages * largest_stage_s;
  }
};

// The largest stages while stages are placed in order.
struct StagePeaks {
  double largest_s = 0;
  double closed_rounds_s = 0, round_s = 0;

  // With stage `stage` of `seconds` placed too.
  StagePeaks with(const Chain& chain, size_t stage, double seconds) const;
  double rounds_s() const { return closed_rounds_s + round_s; }
};

// Less overflow, else a shorter step, else smaller devices.
bool is_better(const Chain& chain, const Load& a, const Load& b);

Load load_of(const Chain& chain, const std::vector<int>& cuts);

// Better cuts than `cuts`, or these. First moves single cuts; then, as far as its budget of steps
// goes, looks through all choices by branch and bound, so that on a small graph the answer is the
// best there is. `bound` is over chain.cuts. Deterministic.
std::vector<int> search_devices(const Chain& chain, const StageBound& bound, std::vector<int> cuts);

}  // namespace headrace::partitioners
