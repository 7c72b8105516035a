#pragma once

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

  // About what a step takes: the busiest device works off every micro-batch, and with several
  // stages per device the pipeline fills and drains stage by stage.
  double step_s(const Chain& chain) const {
    return chain.microbatches * largest_device_s + chain.ramp_stages * largest_stage_s;
  }
};

// Less overflow, else a shorter step, else smaller devices.
bool is_better(const Chain& chain, const Load& a, const Load& b);

Load load_of(const Chain& chain, const std::vector<int>& cuts);

// Better cuts than `cuts`, or these. First moves single cuts; then, as far as its budget of steps
// goes, looks through all choices by branch and bound, so that on a small graph the answer is the
// best there is. `bound` is over chain.cuts. Deterministic.
std::vector<int> search_devices(const Chain& chain, const StageBound& bound, std::vector<int> cuts);

}  // namespace headrace::partitioners
