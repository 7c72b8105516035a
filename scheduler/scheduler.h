#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Everything a scheduler may base its answer on. Per stage: seconds and bytes of one micro-batch,
// empty where they are not known.
struct ScheduleRequest {
  int devices = 1;
  int microbatches = 1;
  std::vector<int> device_of_stage = {};
  std::vector<double> forward_s = {}, backward_input_s = {}, backward_weight_s = {};
  std::vector<int64_t> activation_bytes = {};
  std::vector<int64_t> weight_stash_bytes = {};
  std::vector<int64_t> memory_limit_bytes = {};  // per device; 0: none
  double latency_s = 0;

  int stages() const { return static_cast<int>(device_of_stage.size()); }
};

// A scheduler; plugins implement it through the host. Pure: same request, same answer. What comes
// back is compute actions only; callers validate it before use.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual const std::string& name() const = 0;
  // The device of every stage (looped, V, ...). Throws Error when the shape is not one it serves.
  virtual std::vector<int> place(int devices, int stages_per_device, int microbatches) const = 0;
  virtual Schedule schedule(const ScheduleRequest& request) const = 0;
};

// What a scheduler is told of a plan. No memory limits.
ScheduleRequest request_for(const StagePlan& plan, int microbatches, double latency_s);

// Stage s on device s mod p.
std::vector<int> looped_placement(int devices, int stages_per_device);

}  // namespace headrace
