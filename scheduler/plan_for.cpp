#include "scheduler/plan_for.h"

#include <utility>

namespace headrace {

StagePlan plan_for(std::vector<int> device_of_stage, const StageCost& cost_per_stage,
                   int64_t channel_bytes) {
  StagePlan plan;
  plan.device = std::move(device_of_stage);
  plan.nodes.resize(plan.device.size());
  plan.cost.assign(plan.device.size(), cost_per_stage);
  for (int stage = 0; stage + 1 < plan.stages(); ++stage) {
    plan.channels.push_back(
        {.from = stage, .to = stage + 1, .bytes = channel_bytes, .phase = Phase::forward});
    plan.channels.push_back(
        {.from = stage + 1, .to = stage, .bytes = channel_bytes, .phase = Phase::backward_input});
  }
  return plan;
}

}  // namespace headrace
