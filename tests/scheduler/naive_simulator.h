#pragma once

#include <algorithm>
#include <vector>

#include "scheduler/schedule.h"
#include "scheduler/simulate.h"

// The meaning of a lowered schedule as plain inequalities between starts and ends, raised until all
// hold: slow, and nothing shared with the code under test. Receives have no queue here, so with a
// bandwidth it speaks only of devices that have one sender each.
namespace headrace::testing {

struct NaiveRules {
  bool receives_block_compute = false;  // every receive in the list holds up what stands behind it
  bool one_queue = false;               // sends and receives of a device in one queue
};

class NaiveSimulator {
 public:
  NaiveSimulator(const Schedule& schedule, const StagePlan& plan, const Links& links,
                 NaiveRules rules = {})
      : schedule_(schedule), plan_(plan), links_(links), rules_(rules) {
    for (const auto& actions : schedule.devices)
      for (const Action& action : actions)
        times_.push_back({.device = static_cast<int>(&actions - schedule.devices.data()),
                          .action = action,
                          .start = 0});
  }

  double makespan() {
    while (raise()) {
    }
    double last = 0;
    for (const Time& t : times_)
      if (is_compute(t.action.kind)) last = std::max(last, end(t));
    return last;
  }

  // In the order of devices and lists.
  std::vector<std::pair<double, double>> times() const {
    std::vector<std::pair<double, double>> all;
    for (const Time& t : times_)
      all.emplace_back(t.start, is_receive(t.action.kind) ? arrival(t) : end(t));
    return all;
  }

 private:
  struct Time {
    int device;
    Action action;
    double start;
  };

  bool is_forward(ActionKind k) const {
    return k == ActionKind::forward || k == ActionKind::send_forward ||
           k == ActionKind::receive_forward;
  }
  bool makes(const Action& a, bool forward) const {
    return forward ? a.kind == ActionKind::forward
                   : a.kind == ActionKind::backward || a.kind == ActionKind::backward_input;
  }
  double occupancy(const Time& t) const {
    const int from = is_send(t.action.kind) ? t.action.stage : t.action.peer;
    const int to = is_send(t.action.kind) ? t.action.peer : t.action.stage;
    int64_t bytes = 0;
    for (const Channel& c : plan_.channels)
      if (c.from == from && c.to == to && (c.phase == Phase::forward) == is_forward(t.action.kind))
        bytes += c.bytes;
    return links_.bytes_per_s > 0 ? static_cast<double>(bytes) / links_.bytes_per_s : 0;
  }
  double duration(const Time& t) const {
    const StageCost& c = plan_.cost[t.action.stage];
    switch (t.action.kind) {
      case ActionKind::forward:
        return c.forward_s;
      case ActionKind::backward:
        return c.backward_input_s + c.backward_weight_s;
      case ActionKind::backward_input:
        return c.backward_input_s;
      case ActionKind::backward_weight:
        return c.backward_weight_s;
      default:
        return occupancy(t);
    }
  }
  double end(const Time& t) const { return t.start + duration(t); }
  double made(const Time& t) const {
    return links_.send_when_ready && t.action.kind == ActionKind::backward
               ? t.start + plan_.cost[t.action.stage].backward_input_s
               : end(t);
  }
  double arrival(const Time& t) const { return end(t) + links_.latency_s; }

  bool pair(const Action& send, const Action& receive) const {
    return is_send(send.kind) && is_receive(receive.kind) &&
           is_forward(send.kind) == is_forward(receive.kind) && send.stage == receive.peer &&
           send.peer == receive.stage && send.microbatch == receive.microbatch;
  }

  // Whether `later` has to wait for `earlier` of the same device's list, and until when.
  double in_list(const Time& earlier, const Time& later) const {
    const ActionKind e = earlier.action.kind, l = later.action.kind;
    if (is_compute(l)) {
      if (is_compute(e)) return end(earlier);
      const bool reads = is_receive(e) && earlier.action.stage == later.action.stage &&
                         earlier.action.microbatch == later.action.microbatch &&
                         makes(later.action, is_forward(e));
      return reads || (rules_.receives_block_compute && is_receive(e)) ? arrival(earlier) : 0;
    }
    if (is_compute(e)) {
      if (rules_.receives_block_compute && is_receive(l)) return end(earlier);
      const bool sends = is_send(l) && earlier.action.stage == later.action.stage &&
                         earlier.action.microbatch == later.action.microbatch &&
                         makes(earlier.action, is_forward(l));
      return sends ? made(earlier) : 0;
    }
    return rules_.one_queue || (is_send(e) && is_send(l)) ? end(earlier) : 0;
  }

  bool raise() {
    bool changed = false;
    for (size_t n = 0; n < times_.size(); ++n) {
      Time& t = times_[n];
      double start = t.start;
      for (size_t k = 0; k < times_.size(); ++k) {
        if (k < n && times_[k].device == t.device) start = std::max(start, in_list(times_[k], t));
        if (pair(times_[k].action, t.action) || pair(t.action, times_[k].action))
          start = std::max(start, times_[k].start);
      }
      changed |= start > t.start;
      t.start = start;
    }
    return changed;
  }

  const Schedule& schedule_;
  const StagePlan& plan_;
  const Links& links_;
  const NaiveRules rules_;
  std::vector<Time> times_;
};

}  // namespace headrace::testing
