#include "executor/agreed.h"

namespace headrace {

PlanCosts agreed(ProcessGroup& group, PlanCosts costs) {
  DeviceRates& rates = costs.rates;
  broadcast(group, rates.machine, 0);
  for (double* rate : {&rates.matmul_flops_per_s, &rates.convolution_flops_per_s,
                       &rates.elementwise_flops_per_s, &rates.memory_bytes_per_s,
                       &rates.node_overhead_s, &rates.copy_bytes_per_s, &rates.copy_latency_s})
    broadcast(group, *rate, 0);
  broadcast(group, costs.node_seconds, 0);
  return costs;
}

std::vector<int> AgreedScheduler::place(int devices, int stages_per_device,
                                        int microbatches) const {
  std::vector<int> device_of_stage;
  if (group_.rank() == 0) device_of_stage = inner_.place(devices, stages_per_device, microbatches);
  broadcast(group_, device_of_stage, 0);
  return device_of_stage;
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

std::vector<int> AgreedStrategy::partition(const PartitionProblem& problem) const {
  std::vector<int> stage_of_node;
  if (group_.rank() == 0) stage_of_node = inner_.partition(problem);
  broadcast(group_, stage_of_node, 0);
  return stage_of_node;
}

}  // namespace headrace
