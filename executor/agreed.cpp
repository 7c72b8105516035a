#include "executor/agreed.h"

namespace headrace {

PlanCosts agreed(ProcessGroup& group, PlanCosts costs) {
  broadcast(group, costs.rates.machine, 0);
  for (const NamedRate& rate : kDeviceRates) broadcast(group, costs.rates.*rate.value, 0);
  broadcast(group, costs.node_seconds, 0);
  broadcast(group, costs.data_parallel, 0);
  return costs;
}

std::vector<int> AgreedScheduler::place(int devices, int stages_per_device,
                                        int microbatches) const {
  return computed_by(group_, 0,
                     [&] { return inner_.place(devices, stages_per_device, microbatches); });
}

Schedule AgreedScheduler::schedule(const ScheduleRequest& request) const {
  Schedule schedule;
  if (group_.rank() == 0) schedule = inner_.schedule(request);
  broadcast(group_, schedule.stages, 0);
  broadcast(group_, schedule.microbatches, 0);
  broadcast(group_, schedule.device_of_stage, 0);
  schedule.devices.resize(static_cast<size_t>(request.devices));
  for (auto& actions : schedule.devices) broadcast(group_, actions, 0);
  return schedule;
}

PartitionAnswer AgreedStrategy::solve(const PartitionProblem& problem) const {
  PartitionAnswer answer;
  if (group_.rank() == 0) answer = inner_.solve(problem);
  broadcast(group_, answer.stage_of_node, 0);
  broadcast(group_, answer.lower_bound_s, 0);
  return answer;
}

}  // namespace headrace
