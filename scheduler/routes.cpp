#include "scheduler/routes.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

#include "graph/error.h"

namespace headrace {

Routes::Routes(const StagePlan& plan) {
  std::map<std::tuple<Direction, int, int>, int64_t> bytes;  // (direction, from, to)
  for (const Channel& channel : plan.channels) {
    HEADRACE_CHECK(std::min(channel.from, channel.to) >= 0 &&
                   std::max(channel.from, channel.to) < plan.stages());
    const bool forward = channel.phase == Phase::forward;
    // Gradients of weights that stages share are summed once per step, not per micro-batch.
    if (!forward && channel.phase != Phase::backward_input) continue;
    if (channel.from == channel.to) continue;
    bytes[{forward ? Direction::forward : Direction::backward, channel.from, channel.to}] +=
        channel.bytes;
  }
  for (auto& stages : into_) stages.resize(plan.stages());
  for (auto& stages : out_of_) stages.resize(plan.stages());
  for (const auto& [key, total] : bytes) {
    const auto [direction, from, to] = key;
    const auto d = static_cast<size_t>(direction);
    into_[d][to].push_back(size());
    out_of_[d][from].push_back(size());
    routes_.push_back({.from = from,
                       .to = to,
                       .direction = direction,
                       .bytes = total,
                       .crosses = plan.device[from] != plan.device[to]});
  }
  const auto nearer = [&](int a, int b) {
    return std::abs(routes_[a].from - routes_[a].to) < std::abs(routes_[b].from - routes_[b].to);
  };
  for (auto* side : {&into_[0], &into_[1], &out_of_[0], &out_of_[1]})
    for (std::vector<int>& routes : *side) std::ranges::stable_sort(routes, nearer);
}

std::span<const int> Routes::into(int stage, Direction direction) const {
  return into_[static_cast<size_t>(direction)][stage];
}

std::span<const int> Routes::out_of(int stage, Direction direction) const {
  return out_of_[static_cast<size_t>(direction)][stage];
}

int Routes::find(int from, int to, Direction direction) const {
  for (const int route : out_of(from, direction))
    if (routes_[route].to == to) return route;
  return -1;
}

int Routes::of_transfer(const Action& transfer) const {
  const bool send = is_send(transfer.kind);
  return find(send ? transfer.stage : transfer.peer, send ? transfer.peer : transfer.stage,
              direction_of(transfer.kind));
}

Action send_of(const Route& route, int microbatch) {
  return {.kind = route.direction == Direction::forward ? ActionKind::send_forward
                                                        : ActionKind::send_backward,
          .stage = route.from,
          .microbatch = microbatch,
          .peer = route.to};
}

Action receive_of(const Route& route, int microbatch) {
  return {.kind = route.direction == Direction::forward ? ActionKind::receive_forward
                                                        : ActionKind::receive_backward,
          .stage = route.to,
          .microbatch = microbatch,
          .peer = route.from};
}

}  // namespace headrace
