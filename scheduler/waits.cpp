// Schedules that stop: what is wrong with the numbers, what each device waits for.

#include "graph/error.h"
#include "scheduler/play.h"
#include "scheduler/player.h"
#include "scheduler/text.h"

namespace headrace {

std::optional<Wait> Player::wait_of(int d) const {
  const Queues& queues = queues_[d];
  if (queues.compute < schedule_.devices[d].size()) {
    const Action& action = schedule_.devices[d][queues.compute];
    const auto input = missing_input(action);
    HEADRACE_CHECK(input.has_value(), "{} could run", to_string(action));
    const auto [id, microbatch] = *input;
    const Route& route = routes_[id];
    const std::string reason = route.crosses && lowered_ ? transfer_reason(id, microbatch)
                                                         : maker_reason(d, route, microbatch);
    return Wait{d, static_cast<int>(queues.compute),
                fmt::format("{} waits for {}", to_string(action), reason)};
  }
  if (queues.has_send()) {
    const Transfer& send = next_send(d);
    return Wait{d, send.position,
                fmt::format("{} waits for {}", name_of(d, send.position), receive_reason(send))};
  }
  return std::nullopt;
}

std::string Player::name_of(int d, int position) const {
  return to_string(schedule_.devices[d][position]);
}

// The action that makes what goes by `route`: F, or the B or I that the schedule has.
std::string Player::maker_of(const Route& route, int microbatch) const {
  for (const Action& action : schedule_.devices[plan_.device[route.from]])
    for (const Action& part : ActionParts(action))
      if (made_by(part.kind) == route.direction && part.stage == route.from &&
          part.microbatch == microbatch)
        return to_string(action);
  return fmt::format("{}{}{}", route.from, route.direction == Direction::forward ? 'F' : 'B',
                     microbatch);
}

std::string Player::maker_reason(int d, const Route& route, int microbatch) const {
  const int maker = plan_.device[route.from];
  const std::string name = maker_of(route, microbatch);
  return maker == d ? fmt::format("{}, which stands behind it", name)
                    : fmt::format("{} of device {}", name, maker);
}

std::string Player::transfer_reason(int id, int microbatch) const {
  const Route& route = routes_[id];
  const int maker = plan_.device[route.from];
  if (made(route.direction, route.from, microbatch) == kNotYet)
    return fmt::format("{} of device {}", maker_of(route, microbatch), maker);
  const std::string send = to_string(send_of(route, microbatch));
  if (!queues_[maker].has_send()) return fmt::format("{} of device {}", send, maker);
  const Transfer& first = next_send(maker);
  if (first.route == id && first.microbatch == microbatch) return receive_reason(first);
  return fmt::format("{} of device {}, which stands behind {} among its sends", send, maker,
                     name_of(maker, first.position));
}

// Why the first send of a device, its values made, does not go.
std::string Player::receive_reason(const Transfer& send) const {
  const Route& route = routes_[send.route];
  const int reader = plan_.device[route.to];
  const std::string receive = to_string(receive_of(route, send.microbatch));
  if (receive_position_[slot(send.route, send.microbatch)] == kNone)
    return fmt::format("{} of device {}", receive, reader);
  return fmt::format("{} of device {}, which stands behind {}", receive, reader,
                     name_of(reader, static_cast<int>(queues_[reader].compute)));
}

void check_fits(const Schedule& schedule, const StagePlan& plan) {
  HEADRACE_CHECK(schedule.stages == plan.stages() && schedule.microbatches > 0);
  HEADRACE_CHECK(plan.cost.size() == plan.device.size());
  HEADRACE_CHECK(schedule.devices.size() >= static_cast<size_t>(plan.devices()));
  const Routes routes(plan);
  for (const std::vector<Action>& actions : schedule.devices)
    for (const Action& action : actions)
      for (const Action& part : ActionParts(action)) {
        HEADRACE_CHECK(part.stage >= 0 && part.stage < schedule.stages, "{}", to_string(action));
        if (is_compute(part.kind) || is_transfer(part.kind))
          HEADRACE_CHECK(part.microbatch >= 0 && part.microbatch < schedule.microbatches, "{}",
                         to_string(action));
        if (!is_transfer(part.kind)) continue;
        HEADRACE_CHECK(part.peer >= 0 && part.peer < schedule.stages, "{}", to_string(action));
        HEADRACE_CHECK(routes.of_transfer(part) >= 0, "{}", to_string(action));
      }
}

void throw_deadlock(const Schedule& schedule, const std::string& source,
                    const std::vector<Wait>& waits) {
  HEADRACE_CHECK(!waits.empty());
  const Action& first = schedule.devices[waits.front().device][waits.front().position];
  std::string text =
      fmt::format("{}: stage {}, micro-batch {}: deadlock, device {} cannot run {}\n", source,
                  first.stage, first.microbatch, waits.front().device, to_string(first));
  std::vector<Mark> marks;
  for (const Wait& wait : waits) {
    text += fmt::format("  device {}: {}\n", wait.device, wait.text);
    marks.push_back({.device = wait.device, .position = wait.position, .label = {}});
  }
  throw Error("{}{}", text, to_grid(schedule, marks));
}

}  // namespace headrace
