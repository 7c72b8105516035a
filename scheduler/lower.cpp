#include "scheduler/lower.h"

#include <cstddef>

#include "graph/error.h"
#include "scheduler/play.h"
#include "scheduler/routes.h"

namespace headrace {
namespace {

class Lowering {
 public:
  Lowering(const Schedule& compute, const StagePlan& plan)
      : compute_(compute), plan_(plan), routes_(plan), lowered_(compute) {
    const size_t chunks = static_cast<size_t>(compute.stages) * compute.microbatches;
    for (std::vector<bool>& made : made_) made.resize(chunks);
    for (std::vector<Action>& actions : lowered_.devices) actions.clear();
  }

  Schedule run() {
    std::vector<size_t> next(compute_.devices.size(), 0);
    size_t left = 0;
    for (const std::vector<Action>& actions : compute_.devices) left += actions.size();
    while (left > 0) {
      bool moved = false;
      for (size_t d = 0; d < next.size(); ++d) {
        if (next[d] == compute_.devices[d].size()) continue;
        const Action& action = compute_.devices[d][next[d]];
        if (!ready(action)) continue;
        append(static_cast<int>(d), action);
        ++next[d];
        --left;
        moved = true;
      }
      if (!moved)
        throw_deadlock(compute_, "schedule",
                       play(compute_, plan_, Links{}, Posting::in_place).waits);
    }
    return std::move(lowered_);
  }

 private:
  size_t chunk(int stage, int microbatch) const {
    return static_cast<size_t>(stage) * compute_.microbatches + microbatch;
  }
  std::vector<bool>& made(Direction direction) { return made_[static_cast<size_t>(direction)]; }

  bool ready(const Action& action) {
    for (const Action& part : ActionParts(action)) {
      const auto direction = made_by(part.kind);
      if (!direction) continue;
      for (const int route : routes_.into(part.stage, *direction))
        if (!made(*direction)[chunk(routes_[route].from, part.microbatch)]) return false;
    }
    return true;
  }

  void append(int device, const Action& action) {
    lowered_.devices[device].push_back(action);
    for (const Action& part : ActionParts(action)) {
      const auto direction = made_by(part.kind);
      if (!direction) continue;
      made(*direction)[chunk(part.stage, part.microbatch)] = true;
      for (const int id : routes_.out_of(part.stage, *direction)) {
        const Route& route = routes_[id];
        if (!route.crosses) continue;
        lowered_.devices[device].push_back(send_of(route, part.microbatch));
        lowered_.devices[plan_.device[route.to]].push_back(receive_of(route, part.microbatch));
      }
    }
  }

  const Schedule& compute_;
  const StagePlan& plan_;
  const Routes routes_;
  Schedule lowered_;
  std::vector<bool> made_[2];  // [direction][stage, micro-batch]
};

}  // namespace

Schedule lower(const Schedule& compute, const StagePlan& plan) {
  if (is_lowered(compute)) return compute;
  check_fits(compute, plan);
  return Lowering(compute, plan).run();
}

}  // namespace headrace
