#pragma once

#include <optional>
#include <vector>

#include "executor/session.h"

namespace headrace {

// How fast devices turn out to be: per device of a replica the seconds that its plan predicts for
// its compute actions over those that it took, the median over a window of steps. All replicas are
// cut alike, so the slowest of a device's copies counts.
class SpeedWatch {
 public:
  explicit SpeedWatch(int window) : window_(window) {}

  // After a training step. Together (process_group.h).
  void observe(const Pipeline& pipeline);
  // Once the window is full; it then begins anew. `plan`: what the pipeline runs, with costs of
  // devices of speed 1.
  std::optional<std::vector<double>> speeds(const StagePlan& plan, int microbatches);

 private:
  int window_;
  size_t devices_per_replica_ = 1;
  std::vector<std::vector<double>> busy_s_;  // per step, per device
};

// A cut that pays for its move: what both are predicted to take at the measured speeds.
struct Rebalance {
  PreparedPlan plan;
  std::vector<double> device_speed;
  double step_s_before = 0, step_s_after = 0;
};

// Asks the strategy for a cut at these speeds. Nothing, when the step would not become shorter by 3
// percent at least, or the steps that are left would not win back `move_s`.
std::optional<Rebalance> rebalance(const PreparedModel& prepared, RunConfig config,
                                   const Scheduler& scheduler, const PartitionStrategy& strategy,
                                   const PlanCosts& costs, const PreparedPlan& current,
                                   const std::vector<double>& device_speed, int64_t steps_left,
                                   double move_s);

}  // namespace headrace
