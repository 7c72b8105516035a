#include "scheduler/scheduler.h"

namespace headrace {

ScheduleRequest request_for(const StagePlan& plan, int microbatches, double latency_s) {
  ScheduleRequest request;
  request.devices = plan.devices();
  request.microbatches = microbatches;
  request.device_of_stage = plan.device;
  request.memory_limit_bytes.assign(plan.devices(), 0);
  request.latency_s = latency_s;
  for (const StageCost& cost : plan.cost) {
    request.forward_s.push_back(cost.forward_s);
    request.backward_input_s.push_back(cost.backward_input_s);
    request.backward_weight_s.push_back(cost.backward_weight_s);
    request.activation_bytes.push_back(cost.activation_bytes);
    request.weight_stash_bytes.push_back(cost.weight_stash_bytes);
  }
  return request;
}

std::vector<int> looped_placement(int devices, int stages_per_device) {
  std::vector<int> device_of_stage;
  for (int loop = 0; loop < stages_per_device; ++loop)
    for (int device = 0; device < devices; ++device) device_of_stage.push_back(device);
  return device_of_stage;
}

}  // namespace headrace
