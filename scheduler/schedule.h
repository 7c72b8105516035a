#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace headrace {

enum class ActionKind : uint8_t {
  forward,           // F
  backward,          // B: I and W together
  backward_input,    // I
  backward_weight,   // W
  overlap,           // (0F7;7B3)OVERLAP_F_B: a forward and a backward that run together
  send_forward,      // SEND_F: activations to stage `peer`
  receive_forward,   // RECV_F: activations from stage `peer`
  send_backward,     // SEND_B: gradients to stage `peer`
  receive_backward,  // RECV_B: gradients from stage `peer`
  unshard,
  reshard,
  reduce_grad,
};

// One turn of one device. "2F0" is stage 2, forward, micro-batch 0.
struct Action {
  ActionKind kind = ActionKind::forward;
  int stage = 0;
  int microbatch = 0;  // -1 for unshard, reshard, reduce_grad
  int peer = -1;       // transfers: the stage at the other end
  int other_stage = -1,
      other_microbatch = -1;  // overlap: the backward; stage/microbatch: the forward
  bool operator==(const Action&) const = default;
};

constexpr bool is_compute(ActionKind kind) { return kind <= ActionKind::overlap; }
constexpr bool is_send(ActionKind kind) {
  return kind == ActionKind::send_forward || kind == ActionKind::send_backward;
}
constexpr bool is_receive(ActionKind kind) {
  return kind == ActionKind::receive_forward || kind == ActionKind::receive_backward;
}
constexpr bool is_transfer(ActionKind kind) { return is_send(kind) || is_receive(kind); }

// The single actions of one turn: the action itself, or the forward and the backward of an overlap.
class ActionParts {
 public:
  explicit constexpr ActionParts(const Action& action) {
    if (action.kind == ActionKind::overlap) {
      parts_[0] = {
          .kind = ActionKind::forward, .stage = action.stage, .microbatch = action.microbatch};
      parts_[1] = {.kind = ActionKind::backward,
                   .stage = action.other_stage,
                   .microbatch = action.other_microbatch};
      size_ = 2;
    } else {
      parts_[0] = action;
    }
  }
  constexpr const Action* begin() const { return parts_; }
  constexpr const Action* end() const { return parts_ + size_; }

 private:
  Action parts_[2];
  size_t size_ = 1;
};

// What every device does, in order. Before `lower` only compute actions, after it transfers too.
struct Schedule {
  int stages = 0;
  int microbatches = 0;
  std::vector<int> device_of_stage;
  std::vector<std::vector<Action>> devices;
};

// Whether any transfer stands in it: the form that `lower` returns.
bool is_lowered(const Schedule& schedule);

}  // namespace headrace
