#include "plugins/host/scheduler_plugin.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "graph/error.h"
#include "plugins/host/plugin_call.h"

namespace headrace {
namespace {

ActionKind kind_of(const headrace_action& action) {
  switch (action.kind) {
    case HEADRACE_FORWARD:
      return ActionKind::forward;
    case HEADRACE_BACKWARD:
      return ActionKind::backward;
    case HEADRACE_BACKWARD_INPUT:
      return ActionKind::backward_input;
    case HEADRACE_BACKWARD_WEIGHT:
      return ActionKind::backward_weight;
    case HEADRACE_OVERLAP:
      return ActionKind::overlap;
    default:
      throw Error("emitted an action of the unknown kind {}", action.kind);
  }
}

// A request may leave out what its caller does not know.
template <typename T>
std::vector<T> or_zeros(const std::vector<T>& values, int count) {
  if (values.empty()) return std::vector<T>(static_cast<size_t>(count));
  HEADRACE_CHECK(values.size() == static_cast<size_t>(count), "{} values for {}", values.size(),
                 count);
  return values;
}

// Collects the actions of one call, each within the ranges of the request. F, I and W of every
// stage and micro-batch are the most that a step can hold; twice that leaves duplicates for
// `validate` to show and still ends a plugin that emits for ever.
class ActionSink {
 public:
  ActionSink(const ScheduleRequest& request, Schedule& schedule)
      : request_(request),
        schedule_(schedule),
        most_(int64_t{6} * request.stages() * request.microbatches) {}

  void operator()(int device, const headrace_action& raw) {
    if (++count_ > most_)
      throw Error(
          "emitted more than {} actions; a step of {} stages and {} micro-batches has at "
          "most {}",
          most_, request_.stages(), request_.microbatches, most_ / 2);
    if (device < 0 || device >= request_.devices)
      throw Error("emitted an action for device {} of {}", device, request_.devices);
    Action action{.kind = kind_of(raw), .stage = raw.stage, .microbatch = raw.microbatch};
    check_range(raw.stage, raw.microbatch);
    if (action.kind == ActionKind::overlap) {
      check_range(raw.other_stage, raw.other_microbatch);
      action.other_stage = raw.other_stage;
      action.other_microbatch = raw.other_microbatch;
    }
    schedule_.devices[static_cast<size_t>(device)].push_back(action);
  }

 private:
  void check_range(int stage, int microbatch) const {
    if (stage < 0 || stage >= request_.stages())
      throw Error("emitted an action for stage {}, there are {} (0 to {})", stage,
                  request_.stages(), request_.stages() - 1);
    if (microbatch < 0 || microbatch >= request_.microbatches)
      throw Error("emitted an action for micro-batch {}, there are {} (0 to {})", microbatch,
                  request_.microbatches, request_.microbatches - 1);
  }

  const ScheduleRequest& request_;
  Schedule& schedule_;
  int64_t most_;
  int64_t count_ = 0;
};

class PluginScheduler final : public Scheduler {
 public:
  PluginScheduler(std::shared_ptr<const LoadedPlugin> plugin, OptionValues options)
      : plugin_(std::move(plugin)), options_(std::move(options)) {}

  const std::string& name() const override { return plugin_->info().name; }
  std::vector<int> place(int devices, int stages_per_device, int microbatches) const override;
  Schedule schedule(const ScheduleRequest& request) const override;

 private:
  void check_placement(const std::vector<int>& device_of_stage, int devices,
                       int stages_per_device) const;

  std::shared_ptr<const LoadedPlugin> plugin_;
  OptionValues options_;
};

std::vector<int> PluginScheduler::place(int devices, int stages_per_device,
                                        int microbatches) const {
  HEADRACE_CHECK(devices > 0 && stages_per_device > 0 && microbatches > 0);
  const headrace_scheduler& table = plugin_->scheduler();
  if (table.place == nullptr) return looped_placement(devices, stages_per_device);

  std::vector<int> device_of_stage(static_cast<size_t>(devices) * stages_per_device, -1);
  PluginCall call(plugin_->info(), options_, nullptr, [&](int stage, int device) {
    if (stage < 0 || static_cast<size_t>(stage) >= device_of_stage.size())
      throw Error("placed stage {} of {}", stage, device_of_stage.size());
    if (device < 0 || device >= devices)
      throw Error("placed stage {} on device {} of {}", stage, device, devices);
    int& slot = device_of_stage[static_cast<size_t>(stage)];
    if (slot >= 0) throw Error("placed stage {} twice", stage);
    slot = device;
  });
  call.run(table.place, headrace_placement_request{sizeof(headrace_placement_request), devices,
                                                   stages_per_device, microbatches});
  check_placement(device_of_stage, devices, stages_per_device);
  return device_of_stage;
}

void PluginScheduler::check_placement(const std::vector<int>& device_of_stage, int devices,
                                      int stages_per_device) const {
  const auto unplaced = std::find(device_of_stage.begin(), device_of_stage.end(), -1);
  if (unplaced != device_of_stage.end())
    throw Error("scheduler {}: gave no device to stage {}", name(),
                unplaced - device_of_stage.begin());
  for (int device = 0; device < devices; ++device) {
    const auto held = std::count(device_of_stage.begin(), device_of_stage.end(), device);
    if (held != stages_per_device)
      throw Error("scheduler {}: gave {} stages to device {}, {} were asked for", name(), held,
                  device, stages_per_device);
  }
}

Schedule PluginScheduler::schedule(const ScheduleRequest& request) const {
  const int stages = request.stages();
  const auto forward_s = or_zeros(request.forward_s, stages);
  const auto backward_input_s = or_zeros(request.backward_input_s, stages);
  const auto backward_weight_s = or_zeros(request.backward_weight_s, stages);
  const auto activation_bytes = or_zeros(request.activation_bytes, stages);
  const auto weight_stash_bytes = or_zeros(request.weight_stash_bytes, stages);
  const auto memory_limit_bytes = or_zeros(request.memory_limit_bytes, request.devices);
  const headrace_schedule_request raw{sizeof(headrace_schedule_request),
                                      request.devices,
                                      stages,
                                      request.microbatches,
                                      request.device_of_stage.data(),
                                      forward_s.data(),
                                      backward_input_s.data(),
                                      backward_weight_s.data(),
                                      activation_bytes.data(),
                                      memory_limit_bytes.data(),
                                      request.latency_s,
                                      weight_stash_bytes.data()};

  Schedule schedule{.stages = stages,
                    .microbatches = request.microbatches,
                    .device_of_stage = request.device_of_stage,
                    .devices = {}};
  schedule.devices.resize(static_cast<size_t>(request.devices));
  PluginCall call(plugin_->info(), options_, ActionSink(request, schedule), nullptr);
  call.run(plugin_->scheduler().schedule, raw);
  return schedule;
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(std::shared_ptr<const LoadedPlugin> plugin,
                                          OptionValues options) {
  return std::make_unique<PluginScheduler>(std::move(plugin), std::move(options));
}

}  // namespace headrace
