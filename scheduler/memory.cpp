#include "scheduler/memory.h"

#include <algorithm>
#include <map>

namespace headrace {
namespace {

struct Change {
  double time_s = 0;
  int64_t MemoryPoint::*kind = nullptr;
  int64_t bytes = 0;
};

class Changes {
 public:
  Changes(const StagePlan& plan, const DataParallel& data_parallel)
      : plan_(plan),
        data_parallel_(data_parallel),
        sharded_(data_parallel.replicas > 1 && data_parallel.sharding != Sharding::none),
        gathers_(sharded_ && data_parallel.sharding == Sharding::weights) {}

  MemoryPoint at_rest(int device) const {
    MemoryPoint held;
    for (int s = 0; s < plan_.stages(); ++s) {
      if (plan_.device[s] != device) continue;
      const StageCost& cost = plan_.cost[s];
      held.parameters +=
          gathers_ ? data_parallel_.shard(cost.parameter_bytes) : cost.parameter_bytes;
      const int64_t part = data_parallel_.shard(cost.gradient_bytes);
      held.gradients +=
          sharded_ ? part : cost.gradient_bytes + (data_parallel_.replicas - 1) * part;
      held.optimizer +=
          sharded_ ? data_parallel_.shard(cost.optimizer_bytes) : cost.optimizer_bytes;
    }
    return held;
  }

  std::vector<Change> of(std::span<const ActionTime> timeline) {
    changes_.reserve(2 * timeline.size());
    for (const ActionTime& time : timeline)
      for (const Action& part : ActionParts(time.action)) add(part, time);
    std::ranges::stable_sort(changes_, {}, &Change::time_s);
    return std::move(changes_);
  }

 private:
  void change(double time_s, int64_t MemoryPoint::*kind, int64_t bytes) {
    if (bytes != 0) changes_.push_back({.time_s = time_s, .kind = kind, .bytes = bytes});
  }

  void add(const Action& part, const ActionTime& time) {
    const StageCost& cost = plan_.cost[part.stage];
    switch (part.kind) {
      case ActionKind::forward:
        change(time.start_s, &MemoryPoint::activations, cost.activation_bytes);
        break;
      case ActionKind::backward:
        gradients_begin(part.stage, time.start_s);
        recomputed(cost.recomputed_bytes + cost.recomputed_weight_bytes, time);
        change(time.end_s, &MemoryPoint::activations, -cost.activation_bytes);
        break;
      case ActionKind::backward_input:
        recomputed(cost.recomputed_bytes, time);
        change(time.end_s, &MemoryPoint::activations, -cost.activation_bytes);
        change(time.end_s, &MemoryPoint::weight_stash, cost.weight_stash_bytes);
        break;
      case ActionKind::backward_weight:
        gradients_begin(part.stage, time.start_s);
        recomputed(cost.recomputed_weight_bytes, time);
        change(time.end_s, &MemoryPoint::weight_stash, -cost.weight_stash_bytes);
        break;
      case ActionKind::unshard:
        if (gathers_)
          change(time.start_s, &MemoryPoint::parameters,
                 data_parallel_.together(cost.parameter_bytes));
        break;
      case ActionKind::reshard:
        if (gathers_)
          change(time.end_s, &MemoryPoint::parameters,
                 -data_parallel_.together(cost.parameter_bytes));
        break;
      case ActionKind::reduce_grad:
        if (sharded_ && whole_gradients_[part.stage]) {
          whole_gradients_[part.stage] = false;
          change(time.end_s, &MemoryPoint::gradients,
                 -data_parallel_.together(cost.gradient_bytes));
        }
        break;
      default:  // transfers
        break;
    }
  }

  void recomputed(int64_t bytes, const ActionTime& time) {
    change(time.start_s, &MemoryPoint::activations, bytes);
    change(time.end_s, &MemoryPoint::activations, -bytes);
  }

  void gradients_begin(int stage, double time_s) {
    if (!sharded_ || whole_gradients_[stage]) return;
    whole_gradients_[stage] = true;
    change(time_s, &MemoryPoint::gradients,
           data_parallel_.together(plan_.cost[stage].gradient_bytes));
  }

  const StagePlan& plan_;
  const DataParallel& data_parallel_;
  const bool sharded_, gathers_;
  std::map<int, bool> whole_gradients_;  // per stage
  std::vector<Change> changes_;
};

}  // namespace

std::vector<MemoryPoint> memory_curve(std::span<const ActionTime> timeline, int device,
                                      const StagePlan& plan, const DataParallel& data_parallel) {
  Changes changes(plan, data_parallel);
  std::vector<MemoryPoint> curve = {changes.at_rest(device)};
  for (const Change& change : changes.of(timeline)) {
    if (change.time_s > curve.back().time_s) {
      curve.push_back(curve.back());
      curve.back().time_s = change.time_s;
    }
    curve.back().*change.kind += change.bytes;
  }
  return curve;
}

}  // namespace headrace
