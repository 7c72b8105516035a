#include "executor/device_order.h"

#include <algorithm>
#include <initializer_list>

#include "graph/error.h"

namespace headrace {
namespace {

class Orderer {
 public:
  Orderer(const PassSpec& spec, int device, const TransferTable& transfers)
      : spec_(spec), device_(device), transfers_(transfers) {}

  DeviceOrder order() {
    list_steps();
    find_guards();
    return std::move(result_);
  }

 private:
  const std::vector<ActionTime>& timeline(int device) const {
    return spec_.simulation->timeline[static_cast<size_t>(device)];
  }
  int device_of(int stage) const { return spec_.plan->device[static_cast<size_t>(stage)]; }

  // I before W where the gradient must leave for another device; otherwise each W right where its
  // inputs are at hand, which frees activations earlier.
  bool sends_gradients(int stage) const {
    return std::any_of(
        spec_.plan->channels.begin(), spec_.plan->channels.end(), [&](const Channel& c) {
          return c.from == stage && c.phase == Phase::backward_input && device_of(c.to) != device_;
        });
  }

  template <typename Wanted>
  void add_turns(int stage, int microbatch, Wanted wanted) {
    for (const NodeId node : spec_.plan->nodes[static_cast<size_t>(stage)])
      if (wanted(spec_.graph->node(node).phase))
        result_.turns.push_back({node, stage, microbatch, result_.positions++});
  }

  void add_phase(int stage, int microbatch, Phase phase) {
    add_turns(stage, microbatch, [&](Phase p) { return p == phase; });
  }

  void add_backward(int stage, int microbatch) {
    if (sends_gradients(stage)) {
      add_phase(stage, microbatch, Phase::backward_input);
      add_phase(stage, microbatch, Phase::backward_weight);
    } else {
      add_turns(stage, microbatch,
                [](Phase p) { return p == Phase::backward_input || p == Phase::backward_weight; });
    }
  }

  void add_action(const Action& action) {
    switch (action.kind) {
      case ActionKind::forward:
        return add_phase(action.stage, action.microbatch, Phase::forward);
      case ActionKind::backward_input:
        return add_phase(action.stage, action.microbatch, Phase::backward_input);
      case ActionKind::backward_weight:
        return add_phase(action.stage, action.microbatch, Phase::backward_weight);
      case ActionKind::backward:
        return add_backward(action.stage, action.microbatch);
      case ActionKind::overlap:
        add_phase(action.stage, action.microbatch, Phase::forward);
        return add_backward(action.other_stage, action.other_microbatch);
      default:
        HEADRACE_CHECK(false, "no compute action");
    }
  }

  void list_steps() {
    std::vector<size_t> posts;
    for (const auto& [action, start_s, end_s] : timeline(device_)) {
      if (is_receive(action.kind)) posts.push_back(transfers_.of(action));
      if (!is_compute(action.kind)) continue;
      Step step;
      step.action = action;
      step.start_s = start_s;
      step.posts = std::move(posts);
      posts.clear();
      step.opening = result_.positions++;
      step.begin = result_.turns.size();
      add_action(action);
      step.end = result_.turns.size();
      result_.steps.push_back(std::move(step));
    }
    HEADRACE_CHECK(posts.empty(), "a receive that nothing on device {} reads", device_);
  }

  void find_guards() {
    result_.guard.assign(transfers_.transfers.size(), kUnset);
    for (const auto& [action, start_s, end_s] : timeline(device_)) {
      if (!is_send(action.kind)) continue;
      const double over_s = std::max(end_s, posted_s(action) + (end_s - start_s));
      const auto next = std::partition_point(result_.steps.begin(), result_.steps.end(),
                                             [&](const Step& s) { return s.start_s < over_s; });
      if (next == result_.steps.end()) continue;
      const size_t transfer = transfers_.of(action);
      result_.guard[transfer] = static_cast<int32_t>(next - result_.steps.begin());
      next->sent.push_back(transfer);
    }
  }

  // When the receive of a send is posted: when the receiver's compute action before it is over.
  double posted_s(const Action& send) const {
    const Action receive{.kind = send.kind == ActionKind::send_forward
                                     ? ActionKind::receive_forward
                                     : ActionKind::receive_backward,
                         .stage = send.peer,
                         .microbatch = send.microbatch,
                         .peer = send.stage};
    double before_s = 0;
    for (const auto& [action, start_s, end_s] : timeline(device_of(send.peer))) {
      if (action == receive) return before_s;
      if (is_compute(action.kind)) before_s = end_s;
    }
    HEADRACE_CHECK(false, "a send without its receive");
    return 0;
  }

  const PassSpec& spec_;
  const int device_;
  const TransferTable& transfers_;
  DeviceOrder result_;
};

}  // namespace

DeviceOrder device_order(const PassSpec& spec, int device, const TransferTable& transfers) {
  return Orderer(spec, device, transfers).order();
}

std::vector<int> stage_of_nodes(const PassSpec& spec) {
  std::vector<int> stage(spec.graph->nodes().size(), kUnset);
  for (size_t s = 0; s < spec.plan->nodes.size(); ++s)
    for (const NodeId node : spec.plan->nodes[s]) stage[index(node)] = static_cast<int>(s);
  return stage;
}

}  // namespace headrace
