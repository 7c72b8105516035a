#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "plugins/host/options.h"
#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/simulate.h"
#include "scheduler/validate.h"
#include "tests/plugins/problems.h"

// Schedules of the plugins that come with the program, made and played.
namespace headrace::testing {

// Seconds of one device's whole share of a micro-batch, spread over its stages.
struct Times {
  double forward = 1, input = 1, weight = 1, latency = 0;
  double total() const { return forward + input + weight; }
};

inline StageCost share_of(const Times& times, int stages_per_device) {
  return {.forward_s = times.forward / stages_per_device,
          .backward_input_s = times.input / stages_per_device,
          .backward_weight_s = times.weight / stages_per_device};
}

inline Schedule make(const std::string& name, int devices, int stages_per_device, int microbatches,
                     const OptionValues& options = {}, const Times& times = {}) {
  const auto scheduler = PluginRegistry({kPlugins}).load_scheduler(name, options);
  const StagePlan plan = plan_for(scheduler->place(devices, stages_per_device, microbatches),
                                  share_of(times, stages_per_device));
  return scheduler->schedule(request_for(plan, microbatches, times.latency));
}

// Validated before and after lowering, then simulated.
inline Simulation play(const Schedule& compute, const Times& times) {
  const int devices = static_cast<int>(compute.devices.size());
  const StagePlan plan =
      plan_for(compute.device_of_stage, share_of(times, compute.stages / devices), 1);
  validate(compute, plan, "plugin");
  const Schedule lowered = lower(compute, plan);
  validate(lowered, plan, "lowered");
  return simulate(lowered, plan, {.latency_s = times.latency});
}

// Largest number of (stage, micro-batch) pairs that live from F to the end of W, or of B, at once.
inline std::vector<int> peak_until_weights(const Schedule& schedule) {
  std::vector<int> peaks;
  for (const auto& actions : schedule.devices) {
    int alive = 0, peak = 0;
    for (const Action& action : actions)
      for (const Action& part : ActionParts(action)) {
        if (part.kind == ActionKind::forward) peak = std::max(peak, ++alive);
        if (part.kind == ActionKind::backward || part.kind == ActionKind::backward_weight) --alive;
      }
    peaks.push_back(peak);
  }
  return peaks;
}

}  // namespace headrace::testing
