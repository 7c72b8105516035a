#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "executor/session.h"

namespace headrace {

// A plan as it ran on this machine.
struct MeasuredSteps {
  double step_s = 0;                // median
  double bubble = 0;                // median of Simulation::bubble_makespan as it was
  std::vector<int64_t> peak_bytes;  // per device
  double loss = 0;                  // of the last step
  std::string weights_sha256;       // after all steps, the first included
};

// Trains from the model's own weights on one random batch (feeding.h), the same for every plan of a
// model and seed: one step that warms up, then `steps` that are timed.
MeasuredSteps measure_steps(const PreparedModel& prepared, const PreparedPlan& plan,
                            const RunConfig& config, int steps);

}  // namespace headrace
