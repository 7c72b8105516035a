#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/simulate.h"

namespace headrace {

// What a device holds from one moment on, in bytes.
struct MemoryPoint {
  double time_s = 0;
  int64_t activations = 0;   // from the start of F to the end of B or I; what is recomputed
  int64_t weight_stash = 0;  // from the end of I to the end of W
  int64_t parameters = 0;    // this replica's, and what is gathered
  int64_t gradients = 0;     // this replica's, and what is not yet reduced
  int64_t optimizer = 0;

  int64_t total() const { return activations + weight_stash + parameters + gradients + optimizer; }
};

// The memory of one device over time, ascending, one point per moment at which something changes,
// the first at 0.
//
// Without sharding parameters, gradients and optimizer state are there whole and all the time, and
// beside the gradients, for each other replica, its part of those that this one sums. With
// Sharding::gradients the last two are there by the replica's part, and beside it a stage's
// gradients whole from the start of the first backward after a reduction to the end of the next
// REDUCE_GRAD. With Sharding::weights parameters are there by part too, and beside it whole from
// the start of UNSHARD to RESHARD. What is whole is a stage's, or a layer's where layers are
// gathered one by one (DataParallel::together). Buffers of transfers are not counted.
std::vector<MemoryPoint> memory_curve(std::span<const ActionTime> timeline, int device,
                                      const StagePlan& plan, const DataParallel& data_parallel);

}  // namespace headrace
