#include "scheduler/unit_steps.h"

#include <algorithm>
#include <string>

#include "graph/error.h"
#include "scheduler/play.h"
#include "scheduler/routes.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

class Stepper {
 public:
  Stepper(const Schedule& schedule, const StagePlan& plan)
      : schedule_(schedule),
        plan_(plan),
        routes_(plan),
        next_(schedule.devices.size()),
        steps_(schedule.devices.size()) {
    const size_t chunks = static_cast<size_t>(plan.stages()) * schedule.microbatches;
    for (std::vector<char>& made : made_) made.resize(chunks);
    const size_t transfers = static_cast<size_t>(routes_.size()) * schedule.microbatches;
    sent_.resize(transfers);
    received_.resize(transfers);
  }

  // Two passes over the devices in a step: one that stands before its sender gets its receive in
  // the second.
  UnitSteps run() {
    while (left()) {
      std::vector<size_t> waiting;
      bool moved = false;
      for (size_t d = 0; d < next_.size(); ++d) {
        if (done(d)) continue;
        moved |= take(d);
        if (!steps_[d].back()) waiting.push_back(d);
      }
      if (!moved) refuse();
      for (const size_t d : waiting) {
        steps_[d].pop_back();
        take(d);
      }
    }
    return std::move(steps_);
  }

 private:
  bool done(size_t d) const { return next_[d] == schedule_.devices[d].size(); }
  bool left() const {
    for (size_t d = 0; d < next_.size(); ++d)
      if (!done(d)) return true;
    return false;
  }

  bool take(size_t d) {
    const Action& action = schedule_.devices[d][next_[d]];
    if (!missing(action).empty()) {
      steps_[d].emplace_back();
      return false;
    }
    ++next_[d];
    steps_[d].emplace_back(action);
    for (const Action& part : ActionParts(action)) note(part);
    return true;
  }

  size_t chunk(int stage, int microbatch) const {
    return static_cast<size_t>(stage) * schedule_.microbatches + microbatch;
  }
  size_t slot(int route, int microbatch) const {
    return static_cast<size_t>(route) * schedule_.microbatches + microbatch;
  }
  char& made(Direction direction, int stage, int microbatch) {
    return made_[static_cast<size_t>(direction)][chunk(stage, microbatch)];
  }

  void note(const Action& part) {
    if (const auto direction = made_by(part.kind))
      made(*direction, part.stage, part.microbatch) = 1;
    if (!is_transfer(part.kind)) return;
    const size_t transfer = slot(routes_.of_transfer(part), part.microbatch);
    (is_send(part.kind) ? sent_ : received_)[transfer] = 1;
  }

  // What `action` waits for; empty: nothing.
  std::string missing(const Action& action) {
    for (const Action& part : ActionParts(action)) {
      if (is_transfer(part.kind)) {
        const int id = routes_.of_transfer(part);
        const Route& route = routes_[id];
        if (is_receive(part.kind) && !sent_[slot(id, part.microbatch)])
          return fmt::format("{} of device {}", to_string(send_of(route, part.microbatch)),
                             plan_.device[route.from]);
        if (is_send(part.kind) && !made(route.direction, route.from, part.microbatch))
          return "what it sends";
      }
      const auto direction = made_by(part.kind);
      if (!direction) continue;
      for (const int id : routes_.into(part.stage, *direction)) {
        const Route& route = routes_[id];
        const bool there = route.crosses ? received_[slot(id, part.microbatch)]
                                         : made(*direction, route.from, part.microbatch);
        if (there) continue;
        return route.crosses ? to_string(receive_of(route, part.microbatch)) + " behind it"
                             : fmt::format("stage {} of its own device", route.from);
      }
    }
    return {};
  }

  [[noreturn]] void refuse() {
    std::vector<Wait> waits;
    for (size_t d = 0; d < next_.size(); ++d) {
      if (done(d)) continue;
      const Action& action = schedule_.devices[d][next_[d]];
      waits.push_back({static_cast<int>(d), static_cast<int>(next_[d]),
                       fmt::format("{} waits for {}", to_string(action), missing(action))});
    }
    throw_deadlock(schedule_, "schedule in unit steps", waits);
  }

  const Schedule& schedule_;
  const StagePlan& plan_;
  const Routes routes_;
  std::vector<size_t> next_;  // per device
  UnitSteps steps_;
  std::vector<char> made_[2];          // [direction][stage, micro-batch]
  std::vector<char> sent_, received_;  // [route, micro-batch]
};

}  // namespace

UnitSteps unit_steps(const Schedule& lowered, const StagePlan& plan) {
  check_fits(lowered, plan);
  return Stepper(lowered, plan).run();
}

int count(const UnitSteps& steps) {
  size_t most = 0;
  for (const auto& device : steps) most = std::max(most, device.size());
  return static_cast<int>(most);
}

}  // namespace headrace
