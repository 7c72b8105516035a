#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// Activations or gradients.
enum class Direction : uint8_t { forward, backward };

// What the readers of another stage get from an action: F makes activations, I and B gradients, all
// others nothing. An overlapped pair is asked part by part.
constexpr std::optional<Direction> made_by(ActionKind kind) {
  if (kind == ActionKind::forward) return Direction::forward;
  if (kind == ActionKind::backward || kind == ActionKind::backward_input)
    return Direction::backward;
  return std::nullopt;
}
constexpr Direction direction_of(ActionKind transfer) {
  return transfer == ActionKind::send_forward || transfer == ActionKind::receive_forward
             ? Direction::forward
             : Direction::backward;
}

// All that one stage hands to another per micro-batch in one direction.
struct Route {
  int from = 0, to = 0;  // stages
  Direction direction = Direction::forward;
  int64_t bytes = 0;     // of all its channels
  bool crosses = false;  // between devices, so that lowering makes transfers of it
};

// The channels of a plan, gathered: one route per pair of stages and direction.
class Routes {
 public:
  explicit Routes(const StagePlan& plan);

  int size() const { return static_cast<int>(routes_.size()); }
  const Route& operator[](int route) const { return routes_[route]; }

  // Route numbers, the nearest stage at the other end first.
  std::span<const int> into(int stage, Direction direction) const;
  std::span<const int> out_of(int stage, Direction direction) const;

  // -1 when nothing goes that way.
  int find(int from, int to, Direction direction) const;
  // The route that a transfer action belongs to, seen from either end; -1: none.
  int of_transfer(const Action& transfer) const;

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<int>> into_[2], out_of_[2];  // [direction][stage]
};

// The two ends of a route's transfer.
Action send_of(const Route& route, int microbatch);
Action receive_of(const Route& route, int microbatch);

}  // namespace headrace
