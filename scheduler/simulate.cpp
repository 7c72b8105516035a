#include "scheduler/simulate.h"

#include <algorithm>
#include <limits>

#include "graph/error.h"
#include "scheduler/memory.h"
#include "scheduler/play.h"
#include "scheduler/routes.h"

namespace headrace {
namespace {

struct Memory {
  int activations = 0, weight_stash = 0;
  int64_t bytes = 0;
};

void add_times(const std::vector<ActionTime>& timeline, double* first, double* last, double* busy) {
  for (const ActionTime& time : timeline) {
    if (!is_compute(time.action.kind)) continue;
    *first = std::min(*first, time.start_s);
    *last = std::max(*last, time.end_s);
    *busy += time.end_s - time.start_s;
  }
}

// A device computes one action after the other, so the list alone gives the peaks.
Memory peak_of(const std::vector<ActionTime>& timeline, const std::vector<StageCost>& cost) {
  Memory now, peak;
  for (const ActionTime& time : timeline)
    for (const Action& part : ActionParts(time.action)) {
      if (!is_compute(part.kind)) continue;
      const StageCost& stage = cost[part.stage];
      switch (part.kind) {
        case ActionKind::forward:
          ++now.activations;
          now.bytes += stage.activation_bytes;
          break;
        case ActionKind::backward:
          --now.activations;
          now.bytes -= stage.activation_bytes;
          break;
        case ActionKind::backward_input:
          --now.activations;
          ++now.weight_stash;
          now.bytes += stage.weight_stash_bytes - stage.activation_bytes;
          break;
        default:  // W
          --now.weight_stash;
          now.bytes -= stage.weight_stash_bytes;
      }
      peak.activations = std::max(peak.activations, now.activations);
      peak.weight_stash = std::max(peak.weight_stash, now.weight_stash);
      peak.bytes = std::max(peak.bytes, now.bytes);
    }
  return peak;
}

void add_peaks(const std::vector<ActionTime>& timeline, int device, const StagePlan& plan,
               const Machine& machine, Simulation& result) {
  const Memory peak = peak_of(timeline, plan.cost);
  result.peak_activations.push_back(peak.activations);
  result.peak_weight_stash.push_back(peak.weight_stash);
  result.peak_activation_bytes.push_back(peak.bytes);
  MemoryPeak most;
  for (const MemoryPoint& point : memory_curve(timeline, device, plan, machine.data_parallel))
    if (point.total() > most.bytes) most = {.bytes = point.total(), .time_s = point.time_s};
  result.peak_memory.push_back(most);
}

ActionTime update_of(const std::vector<ActionTime>& timeline, int device, const StagePlan& plan,
                     const Machine& machine) {
  ActionTime update;
  for (const ActionTime& time : timeline)
    if (!is_transfer(time.action.kind)) update.start_s = std::max(update.start_s, time.end_s);
  double seconds = 0;
  for (int s = 0; s < plan.stages(); ++s)
    if (plan.device[s] == device) seconds += plan.cost[s].update_s;
  if (!machine.speed.empty()) seconds /= machine.speed[device];
  update.end_s = update.start_s + seconds;
  return update;
}

}  // namespace

Simulation summarize(Played played, const StagePlan& plan, const Machine& machine) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  Simulation result;
  double first = kNever, last = -kNever;
  std::vector<double> ends;  // per device, of compute
  for (size_t d = 0; d < played.timeline.size(); ++d) {
    const std::vector<ActionTime>& timeline = played.timeline[d];
    double device_first = kNever, device_last = -kNever, busy = 0;
    add_times(timeline, &device_first, &device_last, &busy);
    result.busy_s.push_back(busy);
    ends.push_back(std::max(device_last, 0.0));
    add_peaks(timeline, static_cast<int>(d), plan, machine, result);
    result.step_s = std::max(result.step_s, played.update[d].end_s);
    if (device_last < device_first) continue;  // a device without a stage
    result.span_s = std::max(result.span_s, device_last - device_first);
    first = std::min(first, device_first);
    last = std::max(last, device_last);
  }
  if (last >= first) {
    result.makespan_s = last - first;
    for (size_t d = 0; d < ends.size(); ++d) played.idle[d].drain_s = last - ends[d];
  }
  const double busiest =
      result.busy_s.empty() ? 0 : *std::max_element(result.busy_s.begin(), result.busy_s.end());
  const auto bubble = [&](double x) { return x > 0 ? (x - busiest) / x : 0; };
  result.bubble_makespan = bubble(result.makespan_s);
  result.bubble_span = bubble(result.span_s);
  result.timeline = std::move(played.timeline);
  result.update = std::move(played.update);
  result.idle = std::move(played.idle);
  return result;
}

Simulation simulate(const Schedule& schedule, const StagePlan& plan, const Links& links,
                    const Machine& machine) {
  check_fits(schedule, plan);
  if (!is_lowered(schedule)) {
    const Routes routes(plan);
    for (int route = 0; route < routes.size(); ++route)
      HEADRACE_CHECK(!routes[route].crosses, "simulate takes a lowered schedule");
  }
  Playback playback = play(schedule, plan, links, Posting::early, machine);
  if (!playback.waits.empty()) throw_deadlock(schedule, "schedule", playback.waits);
  Played played{.timeline = std::move(playback.timeline), .idle = std::move(playback.idle)};
  for (size_t d = 0; d < played.timeline.size(); ++d)
    played.update.push_back(update_of(played.timeline[d], static_cast<int>(d), plan, machine));
  return summarize(std::move(played), plan, machine);
}

}  // namespace headrace
