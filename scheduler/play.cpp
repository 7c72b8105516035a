#include "scheduler/play.h"

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <utility>

#include "graph/error.h"
#include "scheduler/routes.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr double kNotYet = -1;  // a time
constexpr int kNowhere = -1;    // a position

// What goes by one route for one micro-batch.
struct Transfer {
  int route = 0;
  int microbatch = 0;
  int position = 0;  // of the send in its device's list
};

struct Queues {
  size_t compute = 0;           // position of the next compute action
  std::vector<Transfer> sends;  // in list order
  size_t sent = 0;
  std::deque<int> callers;  // devices whose next send waits for this device's receive queue
  bool calling = false;     // this device stands in another one's callers
  double compute_free = 0, send_free = 0, receive_free = 0;

  bool has_send() const { return sent < sends.size(); }
};

// A time at which a device may be able to go on.
struct Event {
  double time = 0;
  int device = 0;
  bool operator>(const Event& other) const {
    return time != other.time ? time > other.time : device > other.device;
  }
};

class Player {
 public:
  Player(const Schedule& schedule, const StagePlan& plan, const Links& links, Posting posting)
      : schedule_(schedule),
        plan_(plan),
        links_(links),
        posting_(posting),
        routes_(plan),
        lowered_(is_lowered(schedule)),
        queues_(schedule.devices.size()) {
    for (std::vector<double>& made : made_)
      made.assign(static_cast<size_t>(schedule.stages) * schedule.microbatches, kNotYet);
    const size_t slots = static_cast<size_t>(routes_.size()) * schedule.microbatches;
    arrived_.assign(slots, kNotYet);
    receive_position_.assign(slots, kNowhere);
    for (int d = 0; d < devices(); ++d) {
      const std::vector<Action>& actions = schedule.devices[d];
      std::vector<ActionTime>& times = playback_.timeline.emplace_back();
      times.reserve(actions.size());
      for (size_t i = 0; i < actions.size(); ++i) {
        times.push_back({.action = actions[i]});
        if (!is_transfer(actions[i].kind)) continue;
        const Transfer transfer{.route = routes_.of_transfer(actions[i]),
                                .microbatch = actions[i].microbatch,
                                .position = static_cast<int>(i)};
        if (is_send(actions[i].kind))
          queues_[d].sends.push_back(transfer);
        else
          receive_position_[slot(transfer)] = transfer.position;
      }
      to_next_compute(d);
      events_.push({.time = 0, .device = d});
    }
  }

  Playback run() {
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      while (run_compute(event.device) || run_send(event.device) || answer(event.device)) {
      }
    }
    for (int d = 0; d < devices(); ++d)
      if (auto wait = wait_of(d)) playback_.waits.push_back(std::move(*wait));
    return std::move(playback_);
  }

 private:
  int devices() const { return static_cast<int>(schedule_.devices.size()); }
  size_t slot(const Transfer& transfer) const {
    return static_cast<size_t>(transfer.route) * schedule_.microbatches + transfer.microbatch;
  }
  double& made(Direction direction, int stage, int microbatch) {
    return made_[static_cast<size_t>(direction)]
                [static_cast<size_t>(stage) * schedule_.microbatches + microbatch];
  }

  // Passes over transfers; the senders of receives that this posts may go on.
  void to_next_compute(int d) {
    const std::vector<Action>& actions = schedule_.devices[d];
    size_t& next = queues_[d].compute;
    for (; next < actions.size() && is_transfer(actions[next].kind); ++next)
      if (posting_ == Posting::in_place && is_receive(actions[next].kind))
        events_.push({.time = now_, .device = plan_.device[actions[next].peer]});
  }

  // When what comes by `route` is there for its reader.
  double there(int route, int microbatch) {
    const Route& r = routes_[route];
    return r.crosses && lowered_ ? arrived_[slot({.route = route, .microbatch = microbatch})]
                                 : made(r.direction, r.from, microbatch);
  }

  // The first input of `action` that is not there at this time.
  std::optional<Transfer> missing_input(const Action& action) {
    for (const Action& part : ActionParts(action))
      if (const auto direction = made_by(part.kind))
        for (const int route : routes_.into(part.stage, *direction)) {
          const double time = there(route, part.microbatch);
          if (time == kNotYet || time > now_)
            return Transfer{.route = route, .microbatch = part.microbatch};
        }
    return std::nullopt;
  }

  double seconds(const Action& part) const {
    const StageCost& cost = plan_.cost[part.stage];
    switch (part.kind) {
      case ActionKind::forward:
        return cost.forward_s;
      case ActionKind::backward:
        return cost.backward_input_s + cost.backward_weight_s;
      case ActionKind::backward_input:
        return cost.backward_input_s;
      case ActionKind::backward_weight:
        return cost.backward_weight_s;
      default:
        return 0;
    }
  }

  bool run_compute(int d) {
    Queues& queues = queues_[d];
    if (queues.compute == schedule_.devices[d].size() || queues.compute_free > now_) return false;
    const Action& action = schedule_.devices[d][queues.compute];
    if (missing_input(action)) return false;
    double end = now_;
    for (const Action& part : ActionParts(action)) end += seconds(part);
    ActionTime& time = playback_.timeline[d][queues.compute];
    time.start_s = now_;
    time.end_s = queues.compute_free = end;
    events_.push({.time = end, .device = d});
    for (const Action& part : ActionParts(action)) hand_on(d, action, part, end);
    ++queues.compute;
    to_next_compute(d);
    return true;
  }

  void hand_on(int d, const Action& action, const Action& part, double end) {
    const auto direction = made_by(part.kind);
    if (!direction) return;
    double when = end;
    if (links_.send_when_ready && action.kind == ActionKind::backward) {
      when = now_ + plan_.cost[part.stage].backward_input_s;
      events_.push({.time = when, .device = d});
    }
    made(*direction, part.stage, part.microbatch) = when;
    for (const int route : routes_.out_of(part.stage, *direction))
      if (!(routes_[route].crosses && lowered_))
        events_.push({.time = when, .device = plan_.device[routes_[route].to]});
  }

  bool posted(int device, const Transfer& transfer) const {
    const int position = receive_position_[slot(transfer)];
    if (position == kNowhere) return false;
    return posting_ == Posting::early || static_cast<size_t>(position) < queues_[device].compute;
  }

  // Starts the next send of `d`, or has it wait in the line of its reader.
  bool run_send(int d) {
    Queues& from = queues_[d];
    if (!from.has_send() || from.calling || from.send_free > now_) return false;
    const Transfer& send = from.sends[from.sent];
    const Route& route = routes_[send.route];
    const double ready = made(route.direction, route.from, send.microbatch);
    const int reader = plan_.device[route.to];
    if (ready == kNotYet || ready > now_ || !posted(reader, send)) return false;
    if (queues_[reader].receive_free > now_ || !queues_[reader].callers.empty()) {
      queues_[reader].callers.push_back(d);
      from.calling = true;
      return false;
    }
    transfer(d, reader);
    return true;
  }

  // Starts the send that waits longest for the receive queue of `d`.
  bool answer(int d) {
    Queues& to = queues_[d];
    if (to.callers.empty() || to.receive_free > now_) return false;
    const int caller = to.callers.front();
    to.callers.pop_front();
    queues_[caller].calling = false;
    transfer(caller, d);
    events_.push({.time = now_, .device = caller});
    return true;
  }

  void transfer(int d, int reader) {
    Queues& from = queues_[d];
    const Transfer& send = from.sends[from.sent++];
    const double bytes = static_cast<double>(routes_[send.route].bytes);
    const double left = links_.bytes_per_s > 0 ? now_ + bytes / links_.bytes_per_s : now_;
    const double arrived = left + links_.latency_s;
    arrived_[slot(send)] = arrived;
    ActionTime& sending = playback_.timeline[d][send.position];
    ActionTime& receiving = playback_.timeline[reader][receive_position_[slot(send)]];
    sending.start_s = receiving.start_s = now_;
    sending.end_s = left;
    receiving.end_s = arrived;
    from.send_free = queues_[reader].receive_free = left;
    if (left > now_) {
      events_.push({.time = left, .device = d});
      events_.push({.time = left, .device = reader});
    }
    events_.push({.time = arrived, .device = reader});
  }

  // The rest tells why a device stands.

  std::optional<Wait> wait_of(int d) {
    const Queues& queues = queues_[d];
    if (queues.compute < schedule_.devices[d].size()) {
      const Action& action = schedule_.devices[d][queues.compute];
      const Transfer input = *missing_input(action);
      const Route& route = routes_[input.route];
      const std::string reason =
          route.crosses && lowered_ ? transfer_reason(input) : maker_reason(d, route, input);
      return Wait{d, static_cast<int>(queues.compute),
                  fmt::format("{} waits for {}", to_string(action), reason)};
    }
    if (queues.has_send()) {
      const Transfer& send = queues.sends[queues.sent];
      return Wait{d, send.position,
                  fmt::format("{} waits for {}", name_of(d, send.position), receive_reason(send))};
    }
    return std::nullopt;
  }

  std::string name_of(int d, int position) const {
    return to_string(schedule_.devices[d][position]);
  }

  // The action that makes what goes by `route`: F, or the B or I that the schedule has.
  std::string maker_of(const Route& route, int microbatch) const {
    for (const Action& action : schedule_.devices[plan_.device[route.from]])
      for (const Action& part : ActionParts(action))
        if (made_by(part.kind) == route.direction && part.stage == route.from &&
            part.microbatch == microbatch)
          return to_string(action);
    return fmt::format("{}{}{}", route.from, route.direction == Direction::forward ? 'F' : 'B',
                       microbatch);
  }

  std::string maker_reason(int d, const Route& route, const Transfer& input) const {
    const int maker = plan_.device[route.from];
    const std::string name = maker_of(route, input.microbatch);
    return maker == d ? fmt::format("{}, which stands behind it", name)
                      : fmt::format("{} of device {}", name, maker);
  }

  std::string transfer_reason(const Transfer& input) {
    const Route& route = routes_[input.route];
    const int maker = plan_.device[route.from];
    if (made(route.direction, route.from, input.microbatch) == kNotYet)
      return fmt::format("{} of device {}", maker_of(route, input.microbatch), maker);
    const Queues& queues = queues_[maker];
    const std::string send = to_string(send_of(route, input.microbatch));
    if (!queues.has_send()) return fmt::format("{} of device {}", send, maker);
    const Transfer& first = queues.sends[queues.sent];
    if (first.route == input.route && first.microbatch == input.microbatch)
      return receive_reason(first);
    return fmt::format("{} of device {}, which stands behind {} among its sends", send, maker,
                       name_of(maker, first.position));
  }

  // Why the first send of a device, its values made, does not go.
  std::string receive_reason(const Transfer& send) const {
    const Route& route = routes_[send.route];
    const int reader = plan_.device[route.to];
    const std::string receive = to_string(receive_of(route, send.microbatch));
    if (receive_position_[slot(send)] == kNowhere)
      return fmt::format("{} of device {}", receive, reader);
    return fmt::format("{} of device {}, which stands behind {}", receive, reader,
                       name_of(reader, static_cast<int>(queues_[reader].compute)));
  }

  const Schedule& schedule_;
  const StagePlan& plan_;
  const Links& links_;
  const Posting posting_;
  const Routes routes_;
  const bool lowered_;
  std::vector<Queues> queues_;         // per device
  std::vector<double> made_[2];        // [direction][stage, micro-batch]: seconds
  std::vector<double> arrived_;        // [route, micro-batch]: seconds
  std::vector<int> receive_position_;  // [route, micro-batch]: in the reader's list
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  double now_ = 0;
  Playback playback_;
};

}  // namespace

Playback play(const Schedule& schedule, const StagePlan& plan, const Links& links,
              Posting posting) {
  return Player(schedule, plan, links, posting).run();
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
