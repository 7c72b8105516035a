#include "executor/rebalance.h"

#include <algorithm>
#include <utility>

#include "executor/median.h"

namespace headrace {
namespace {

// Less than this may be noise of the clock, and a move is noise of its own.
constexpr double kLeastGain = 0.03;

}  // namespace

void SpeedWatch::observe(const Pipeline& pipeline) {
  devices_per_replica_ = static_cast<size_t>(pipeline.devices_per_replica());
  auto& busy_s = busy_s_.emplace_back();
  for (int d = 0; d < pipeline.devices(); ++d) busy_s.push_back(busy_seconds(pipeline.actions(d)));
}

std::optional<std::vector<double>> SpeedWatch::speeds(const StagePlan& plan, int microbatches) {
  if (busy_s_.size() < static_cast<size_t>(window_)) return std::nullopt;
  std::vector<double> predicted_s(devices_per_replica_);
  for (size_t s = 0; s < plan.cost.size(); ++s) {
    const StageCost& cost = plan.cost[s];
    predicted_s[static_cast<size_t>(plan.device[s])] +=
        microbatches * (cost.forward_s + cost.backward_input_s + cost.backward_weight_s);
  }
  std::vector<double> speeds;
  for (size_t d = 0; d < predicted_s.size(); ++d) {
    double measured_s = 0;
    for (size_t copy = d; copy < busy_s_[0].size(); copy += devices_per_replica_) {
      std::vector<double> busy_s;
      for (const auto& step : busy_s_) busy_s.push_back(step[copy]);
      measured_s = std::max(measured_s, median(std::move(busy_s)));
    }
    speeds.push_back(measured_s > 0 ? predicted_s[d] / measured_s : 1);
  }
  busy_s_.clear();
  return speeds;
}

std::optional<Rebalance> rebalance(const PreparedModel& prepared, RunConfig config,
                                   const Scheduler& scheduler, const PartitionStrategy& strategy,
                                   const PlanCosts& costs, const PreparedPlan& current,
                                   const std::vector<double>& device_speed, int64_t steps_left,
                                   double move_s) {
  config.device_speed = device_speed;
  const PreparedPlan as_it_is =
      plan_of_cut(prepared, config, scheduler, current.stage_of_unit, costs);
  Rebalance found{.plan = prepare_plan(prepared, config, scheduler, strategy, costs),
                  .device_speed = device_speed,
                  .step_s_before = as_it_is.simulation.step_s};
  found.step_s_after = found.plan.simulation.step_s;
  const double gain_s = found.step_s_before - found.step_s_after;
  if (found.plan.stage_of_unit == current.stage_of_unit ||
      gain_s < kLeastGain * found.step_s_before ||
      gain_s * static_cast<double>(steps_left) < move_s)
    return std::nullopt;
  return found;
}

}  // namespace headrace
