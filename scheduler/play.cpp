#include "scheduler/play.h"

#include <algorithm>

#include "graph/error.h"
#include "scheduler/player.h"
#include "scheduler/text.h"

namespace headrace {

Player::Player(const Schedule& schedule, const StagePlan& plan, const Links& links, Posting posting,
               const Machine& machine)
    : schedule_(schedule),
      plan_(plan),
      links_(links),
      posting_(posting),
      routes_(plan),
      lowered_(is_lowered(schedule)),
      queues_(schedule.devices.size()) {
  for (std::vector<double>& made : made_)
    made.assign(static_cast<size_t>(schedule.stages) * schedule.microbatches, kNotYet);
  measure_stages(machine);
  measure_ways();
  read_lists();
}

void Player::measure_stages(const Machine& machine) {
  HEADRACE_CHECK(machine.speed.empty() || machine.speed.size() >= queues_.size());
  for (int s = 0; s < schedule_.stages; ++s) {
    const StageCost& cost = plan_.cost[s];
    const double speed = machine.speed.empty() ? 1 : machine.speed[plan_.device[s]];
    HEADRACE_CHECK(speed > 0);
    stages_.push_back({.forward = cost.forward_s / speed,
                       .input = cost.backward_input_s / speed,
                       .weight = cost.backward_weight_s / speed,
                       .gather = machine.data_parallel.gather_s(cost),
                       .reduce = machine.data_parallel.reduce_s(cost)});
  }
}

void Player::measure_ways() {
  HEADRACE_CHECK(links_.node.empty() || links_.node.size() >= queues_.size());
  HEADRACE_CHECK(links_.card.empty() || links_.card.size() >= queues_.size());
  int cards = 0;
  for (const int card : links_.card) {
    HEADRACE_CHECK(card >= 0);
    cards = std::max(cards, card + 1);
  }
  resources_.resize(queues_.size() + 2 * static_cast<size_t>(cards));
  for (int r = 0; r < routes_.size(); ++r) {
    const int from = plan_.device[routes_[r].from], to = plan_.device[routes_[r].to];
    const Link link = links_.between(from, to);
    Way way{.held_s =
                link.bytes_per_s > 0 ? static_cast<double>(routes_[r].bytes) / link.bytes_per_s : 0,
            .latency_s = link.latency_s};
    way.resources[0] = to;
    if (!links_.card.empty() && links_.card[from] != links_.card[to] &&
        !links_.in_same_node(from, to)) {
      way.resources[1] = devices() + links_.card[from];
      way.resources[2] = devices() + cards + links_.card[to];
    }
    ways_.push_back(way);
  }
}

void Player::read_lists() {
  const size_t slots = static_cast<size_t>(routes_.size()) * schedule_.microbatches;
  arrived_.assign(slots, kNotYet);
  receive_position_.assign(slots, kNone);
  playback_.idle.resize(queues_.size());
  for (int d = 0; d < devices(); ++d) {
    const std::vector<Action>& actions = schedule_.devices[d];
    std::vector<ActionTime>& times = playback_.timeline.emplace_back();
    times.reserve(actions.size());
    for (const Action& action : actions) {
      const int position = static_cast<int>(times.size());
      times.push_back({.action = action});
      if (is_send(action.kind)) {
        queues_[d].sends.push_back(static_cast<int>(transfers_.size()));
        transfers_.push_back({.route = routes_.of_transfer(action),
                              .microbatch = action.microbatch,
                              .position = position});
      } else if (is_receive(action.kind)) {
        receive_position_[slot(routes_.of_transfer(action), action.microbatch)] = position;
      } else if (action.kind == ActionKind::unshard || action.kind == ActionKind::reduce_grad) {
        queues_[d].gathers.push_back(position);
      }
    }
    to_next_compute(d);
    events_.push({.time = 0, .who = d});
  }
}

Playback Player::run() {
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.time;
    if (event.who >= devices()) {
      answer(event.who);
      continue;
    }
    while (run_compute(event.who) || run_collective(event.who) || run_send(event.who) ||
           answer(event.who)) {
    }
  }
  for (int d = 0; d < devices(); ++d)
    if (auto wait = wait_of(d)) playback_.waits.push_back(std::move(*wait));
  return std::move(playback_);
}

// Passes over what has queues of its own; the senders of receives that this posts may go on.
void Player::to_next_compute(int d) {
  const std::vector<Action>& actions = schedule_.devices[d];
  size_t& next = queues_[d].compute;
  for (; next < actions.size(); ++next) {
    const Action& action = actions[next];
    if (action.kind == ActionKind::unshard)
      ++stages_[action.stage].unshards;
    else if (!is_transfer(action.kind) && action.kind != ActionKind::reduce_grad)
      return;
    else if (posting_ == Posting::in_place && is_receive(action.kind))
      events_.push({.time = now_, .who = plan_.device[action.peer]});
  }
}

// When what comes by `route` is there for its reader.
double Player::there(int route, int microbatch) const {
  const Route& r = routes_[route];
  return r.crosses && lowered_ ? arrived_[slot(route, microbatch)]
                               : made(r.direction, r.from, microbatch);
}

// Route and micro-batch of the first input of `action` that is not there at this time.
std::optional<std::pair<int, int>> Player::missing_input(const Action& action) const {
  for (const Action& part : ActionParts(action))
    if (const auto direction = made_by(part.kind))
      for (const int route : routes_.into(part.stage, *direction)) {
        const double time = there(route, part.microbatch);
        if (time == kNotYet || time > now_) return std::pair{route, part.microbatch};
      }
  return std::nullopt;
}

// When the parameters that `action` computes with are together: 0 where nothing gathers them,
// kNotYet when that has not begun.
double Player::gather_end(const Action& action) const {
  if (!is_compute(action.kind)) return 0;
  double end = 0;
  for (const Action& part : ActionParts(action)) {
    const StageTimes& stage = stages_[part.stage];
    const int needed = std::min(stage.unshards, stage.reshards + 1);
    if (needed == 0 || part.kind == ActionKind::backward_weight) continue;
    if (stage.gathered.size() < static_cast<size_t>(needed)) return kNotYet;
    end = std::max(end, stage.gathered[needed - 1]);
  }
  return end;
}

double Player::seconds(const Action& part) const {
  const StageTimes& stage = stages_[part.stage];
  switch (part.kind) {
    case ActionKind::forward:
      return stage.forward;
    case ActionKind::backward:
      return stage.input + stage.weight;
    case ActionKind::backward_input:
      return stage.input;
    case ActionKind::backward_weight:
      return stage.weight;
    default:
      return 0;
  }
}

bool Player::run_compute(int d) {
  Queues& queues = queues_[d];
  if (queues.compute == schedule_.devices[d].size() || queues.compute_free > now_) return false;
  const Action& action = schedule_.devices[d][queues.compute];
  if (missing_input(action)) return false;
  const double gathered = gather_end(action);
  if (gathered == kNotYet || gathered > now_) return false;
  count_idle(d, action);
  double end = now_;
  for (const Action& part : ActionParts(action)) end += seconds(part);
  if (action.kind == ActionKind::reshard) ++stages_[action.stage].reshards;
  ActionTime& time = playback_.timeline[d][queues.compute];
  time.start_s = now_;
  time.end_s = queues.compute_free = end;
  events_.push({.time = end, .who = d});
  for (const Action& part : ActionParts(action)) hand_on(d, action, part, end);
  queues.last_begun = static_cast<int>(queues.compute);
  ++queues.compute;
  to_next_compute(d);
  return true;
}

// Shares out the time since the last action among what `action`, which starts now, waited for.
void Player::count_idle(int d, const Action& action) {
  const double since = queues_[d].compute_free;
  if (since >= now_) return;
  double made_s = since, arrived_s = since;
  for (const Action& part : ActionParts(action))
    if (const auto direction = made_by(part.kind))
      for (const int route : routes_.into(part.stage, *direction)) {
        const double time = there(route, part.microbatch);
        if (time <= arrived_s) continue;
        arrived_s = time;
        made_s = std::max(since, made(*direction, routes_[route].from, part.microbatch));
      }
  Idle& idle = playback_.idle[d];
  if (queues_[d].last_begun == kNone) {
    idle.warm_up_s += arrived_s - since;
  } else {
    idle.data_s += made_s - since;
    idle.link_s += arrived_s - made_s;
  }
  idle.gather_s += now_ - arrived_s;
}

void Player::hand_on(int d, const Action& action, const Action& part, double end) {
  const auto direction = made_by(part.kind);
  if (!direction) return;
  double when = end;
  if (links_.send_when_ready && action.kind == ActionKind::backward) {
    when = now_ + stages_[part.stage].input;
    events_.push({.time = when, .who = d});
  }
  made_[static_cast<size_t>(*direction)][chunk(part.stage, part.microbatch)] = when;
  for (const int route : routes_.out_of(part.stage, *direction))
    if (!(routes_[route].crosses && lowered_))
      events_.push({.time = when, .who = plan_.device[routes_[route].to]});
}

// Starts the next collective of `d` if all that it computes before that is over.
bool Player::run_collective(int d) {
  Queues& queues = queues_[d];
  if (queues.gathered == queues.gathers.size() || queues.gather_free > now_) return false;
  const int position = queues.gathers[queues.gathered];
  if (static_cast<size_t>(position) > queues.compute) return false;
  if (queues.last_begun < position && queues.compute_free > now_) return false;
  ActionTime& time = playback_.timeline[d][position];
  StageTimes& stage = stages_[time.action.stage];
  const bool unshard = time.action.kind == ActionKind::unshard;
  time.start_s = now_;
  time.end_s = queues.gather_free = now_ + (unshard ? stage.gather : stage.reduce);
  if (unshard) stage.gathered.push_back(time.end_s);
  ++queues.gathered;
  events_.push({.time = time.end_s, .who = d});
  return true;
}

bool Player::posted(int device, const Transfer& transfer) const {
  const int position = receive_position_[slot(transfer.route, transfer.microbatch)];
  if (position == kNone) return false;
  return posting_ == Posting::early || static_cast<size_t>(position) < queues_[device].compute;
}

// A resource of `way` that is taken; kNone: all are free.
int Player::taken(const Way& way) const {
  for (const int resource : way.resources)
    if (resource != kNone && resources_[resource].free > now_) return resource;
  return kNone;
}

void Player::wait_for(int resource, std::pair<uint64_t, int> caller) {
  auto& callers = resources_[resource].callers;
  callers.insert(std::ranges::upper_bound(callers, caller), caller);
  events_.push({.time = resources_[resource].free, .who = resource});
}

// Starts the next send of `d`, or has it wait for what is taken.
bool Player::run_send(int d) {
  Queues& from = queues_[d];
  if (!from.has_send() || from.calling || from.send_free > now_) return false;
  const Transfer& send = next_send(d);
  const Route& route = routes_[send.route];
  const double ready = made(route.direction, route.from, send.microbatch);
  if (ready == kNotYet || ready > now_ || !posted(plan_.device[route.to], send)) return false;
  const Way& way = ways_[send.route];
  for (const int resource : way.resources)
    if (resource != kNone) answer(resource);  // others that asked before
  const int resource = taken(way);
  if (resource == kNone) {
    start(d);
    return true;
  }
  from.calling = true;
  wait_for(resource, {asked_++, d});
  return false;
}

// Starts the transfers that wait for `resource` and can go, in the order in which they asked.
bool Player::answer(int resource) {
  bool any = false;
  auto& callers = resources_[resource].callers;
  while (!callers.empty() && resources_[resource].free <= now_) {
    const auto caller = callers.front();
    callers.pop_front();
    const int d = caller.second;
    const int other = taken(ways_[next_send(d).route]);
    if (other != kNone) {
      wait_for(other, caller);
      continue;
    }
    queues_[d].calling = false;
    start(d);
    events_.push({.time = now_, .who = d});
    any = true;
  }
  return any;
}

void Player::start(int d) {
  Queues& from = queues_[d];
  const Transfer& send = next_send(d);
  ++from.sent;
  const Way& way = ways_[send.route];
  const int reader = way.resources[0];
  const double left = now_ + way.held_s;
  const double arrived = left + way.latency_s;
  const size_t place = slot(send.route, send.microbatch);
  arrived_[place] = arrived;
  ActionTime& sending = playback_.timeline[d][send.position];
  ActionTime& receiving = playback_.timeline[reader][receive_position_[place]];
  sending.start_s = receiving.start_s = now_;
  sending.end_s = left;
  receiving.end_s = arrived;
  from.send_free = left;
  for (const int resource : way.resources)
    if (resource != kNone) resources_[resource].free = left;
  if (left > now_) events_.push({.time = left, .who = d});
  // A reader that computes beyond that looks for itself when it is done.
  if (queues_[reader].compute_free <= arrived) events_.push({.time = arrived, .who = reader});
}

Playback play(const Schedule& schedule, const StagePlan& plan, const Links& links, Posting posting,
              const Machine& machine) {
  return Player(schedule, plan, links, posting, machine).run();
}

}  // namespace headrace
