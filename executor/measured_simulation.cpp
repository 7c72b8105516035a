#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "executor/trace.h"
#include "scheduler/routes.h"

namespace headrace {
namespace {

// When what a stage hands on for a micro-batch was made, as seen by its readers.
class Makers {
 public:
  Makers(const Timeline& timeline, const StagePlan& plan) : routes_(plan) {
    for (const auto& device : timeline.devices)
      for (const ActionTime& time : device)
        if (is_send(time.action.kind))
          sent_[{routes_.of_transfer(time.action), time.action.microbatch}] = time.start_s;
        else
          for (const Action& part : ActionParts(time.action))
            if (const auto direction = made_by(part.kind))
              made_[{*direction, part.stage, part.microbatch}] = time.end_s;
  }

  // The latest of all inputs of `action`; 0 for what reads nothing of other stages.
  double inputs_made(const Action& action) const {
    double latest = 0;
    for (const Action& part : ActionParts(action))
      if (const auto direction = made_by(part.kind))
        for (const int route : routes_.into(part.stage, *direction))
          latest = std::max(latest, made(route, *direction, part.microbatch));
    return latest;
  }

 private:
  double made(int route, Direction direction, int microbatch) const {
    const auto sent = sent_.find({route, microbatch});
    if (sent != sent_.end()) return sent->second;
    const auto made = made_.find({direction, routes_[route].from, microbatch});
    return made == made_.end() ? 0 : made->second;
  }

  const Routes routes_;
  std::map<std::pair<int, int>, double> sent_;              // (route, micro-batch)
  std::map<std::tuple<Direction, int, int>, double> made_;  // (.., stage, micro-batch)
};

Idle idle_of(const std::vector<ActionTime>& timeline, const Makers& makers) {
  Idle idle;
  double free = 0;
  bool begun = false;
  for (const ActionTime& time : timeline) {
    if (!is_compute(time.action.kind)) continue;
    const double gap = std::max(0.0, time.start_s - free);
    if (!begun) {
      idle.warm_up_s = gap;
    } else {
      const double data = std::clamp(makers.inputs_made(time.action) - free, 0.0, gap);
      idle.data_s += data;
      idle.link_s += gap - data;
    }
    begun = true;
    free = time.end_s;
  }
  return idle;
}

}  // namespace

Simulation measured_simulation(const Pipeline& pipeline) {
  Timeline timeline = measured_timeline({}, pipeline);
  const Makers makers(timeline, pipeline.plan());
  Played played;
  for (const auto& device : timeline.devices) played.idle.push_back(idle_of(device, makers));
  played.timeline = std::move(timeline.devices);
  played.update = std::move(timeline.update);
  return summarize(std::move(played), pipeline.plan());
}

}  // namespace headrace
