#include "scheduler/validate.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "scheduler/check_collectives.h"
#include "scheduler/play.h"
#include "scheduler/routes.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr int kNowhere = -1;

class Validator {
 public:
  Validator(const Schedule& schedule, const StagePlan& plan, const std::string& source)
      : schedule_(schedule), plan_(plan), source_(source), routes_(plan) {}

  void run() {
    check_shape();
    const size_t chunks = static_cast<size_t>(plan_.stages()) * schedule_.microbatches;
    for (std::vector<int>& positions : compute_) positions.assign(chunks, kNowhere);
    const size_t transfers = static_cast<size_t>(routes_.size()) * schedule_.microbatches;
    sends_.assign(transfers, kNowhere);
    receives_.assign(transfers, kNowhere);
    for (size_t d = 0; d < schedule_.devices.size(); ++d)
      for (size_t i = 0; i < schedule_.devices[d].size(); ++i)
        for (const Action& part : ActionParts(schedule_.devices[d][i]))
          note(part, static_cast<int>(d), static_cast<int>(i));
    for (int stage = 0; stage < plan_.stages(); ++stage)
      for (int mb = 0; mb < schedule_.microbatches; ++mb) check_compute(stage, mb);
    check_collectives(schedule_, source_);
    if (is_lowered(schedule_)) check_transfers();
    const Playback playback = play(schedule_, plan_, Links{}, Posting::in_place);
    if (!playback.waits.empty()) throw_deadlock(schedule_, source_, playback.waits);
  }

 private:
  // The first line and the marked grid. `what` follows source, stage and micro-batch.
  [[noreturn]] void fail(int stage, int microbatch, const std::string& what,
                         const std::vector<Mark>& marks) const {
    const std::string mb =
        microbatch < 0 ? std::string() : fmt::format(", micro-batch {}", microbatch);
    throw Error("{}: stage {}{}: {}\n{}", source_, stage, mb, what, to_grid(schedule_, marks));
  }

  static Mark mark(int device, int position, std::string label = {}) {
    return {.device = device, .position = position, .label = std::move(label)};
  }

  // For an action that is missing: behind the last one of its device.
  Mark gap(int device, const std::string& label) const {
    return mark(device, static_cast<int>(schedule_.devices[device].size()), label + " missing");
  }

  void check_shape() const {
    if (schedule_.stages != plan_.stages())
      throw Error("{}: the schedule has {} stages, the plan {}", source_, schedule_.stages,
                  plan_.stages());
    if (schedule_.microbatches < 1)
      throw Error("{}: the schedule has {} micro-batches, it needs 1 or more", source_,
                  schedule_.microbatches);
    if (schedule_.devices.size() < static_cast<size_t>(plan_.devices()))
      throw Error("{}: the schedule has {} devices, the plan {}", source_, schedule_.devices.size(),
                  plan_.devices());
    if (schedule_.device_of_stage.size() != plan_.device.size())
      throw Error("{}: the schedule places {} stages, the plan {}", source_,
                  schedule_.device_of_stage.size(), plan_.stages());
    for (int stage = 0; stage < plan_.stages(); ++stage)
      if (schedule_.device_of_stage[stage] != plan_.device[stage])
        throw Error("{}: stage {} is placed on device {}, in the plan it is on device {}", source_,
                    stage, schedule_.device_of_stage[stage], plan_.device[stage]);
  }

  // Takes down where `part` stands; all that is wrong with it by itself throws.
  void note(const Action& part, int device, int position) {
    const std::vector<Mark> here = {mark(device, position)};
    if (part.kind > ActionKind::reduce_grad)
      throw Error("{}: device {}, turn {}: {} is no kind of action", source_, device, position,
                  static_cast<int>(part.kind));
    if (part.stage < 0 || part.stage >= plan_.stages())
      fail(part.stage, part.microbatch,
           fmt::format("no such stage, the plan has {}", plan_.stages()), here);
    if (plan_.device[part.stage] != device)
      fail(part.stage, part.microbatch,
           fmt::format("{} stands on device {}, the stage is on device {}", to_string(part), device,
                       plan_.device[part.stage]),
           here);
    if (!is_compute(part.kind) && !is_transfer(part.kind)) return;
    if (part.microbatch < 0 || part.microbatch >= schedule_.microbatches)
      fail(part.stage, part.microbatch,
           fmt::format("no such micro-batch, the step has {}", schedule_.microbatches), here);
    int& known = is_compute(part.kind) ? at(part) : transfer_at(part, here);
    if (known != kNowhere)
      fail(part.stage, part.microbatch,
           fmt::format("{} stands twice on device {}", to_string(part), device),
           {mark(device, known), here[0]});
    known = position;
  }

  size_t chunk(int stage, int microbatch) const {
    return static_cast<size_t>(stage) * schedule_.microbatches + microbatch;
  }
  int& at(const Action& part) {
    return compute_[static_cast<size_t>(part.kind)][chunk(part.stage, part.microbatch)];
  }

  int& transfer_at(const Action& transfer, const std::vector<Mark>& here) {
    const bool known = transfer.peer >= 0 && transfer.peer < plan_.stages();
    const int route = known ? routes_.of_transfer(transfer) : -1;
    if (route < 0 || !routes_[route].crosses)
      fail(transfer.stage, transfer.microbatch,
           fmt::format("{}, but nothing goes between the devices of stages {} and {} that way",
                       to_string(transfer), transfer.stage, transfer.peer),
           here);
    return (is_send(transfer.kind) ? sends_ : receives_)[slot(route, transfer.microbatch)];
  }
  size_t slot(int route, int microbatch) const {
    return static_cast<size_t>(route) * schedule_.microbatches + microbatch;
  }

  void check_compute(int stage, int mb) {
    const int device = plan_.device[stage];
    const auto position = [&](ActionKind kind) {
      return at({.kind = kind, .stage = stage, .microbatch = mb});
    };
    const auto name = [&](ActionKind kind) {
      return to_string({.kind = kind, .stage = stage, .microbatch = mb});
    };
    const auto require = [&](ActionKind kind) {
      if (position(kind) == kNowhere)
        fail(stage, mb, fmt::format("{} is missing on device {}", name(kind), device),
             {gap(device, name(kind))});
    };
    const auto require_order = [&](ActionKind first, ActionKind second) {
      if (position(first) >= position(second))
        fail(stage, mb, fmt::format("{} stands before {}", name(second), name(first)),
             {mark(device, position(second)), mark(device, position(first))});
    };
    using enum ActionKind;
    require(forward);
    const int whole = position(backward), input = position(backward_input),
              weight = position(backward_weight);
    if (whole == kNowhere && input == kNowhere && weight == kNowhere)
      fail(stage, mb, fmt::format("no backward on device {}: B, or I and W", device),
           {gap(device, name(backward))});
    if (whole != kNowhere) {
      for (const ActionKind half : {backward_input, backward_weight})
        if (position(half) != kNowhere)
          fail(stage, mb,
               fmt::format("{} beside {}, which does it too", name(half), name(backward)),
               {mark(device, whole), mark(device, position(half))});
      require_order(forward, backward);
      return;
    }
    require(backward_input);
    require(backward_weight);
    require_order(forward, backward_input);
    require_order(backward_input, backward_weight);
  }

  void check_transfers() {
    for (int id = 0; id < routes_.size(); ++id) {
      if (!routes_[id].crosses) continue;
      for (int mb = 0; mb < schedule_.microbatches; ++mb) check_transfer(routes_[id], id, mb);
    }
  }

  // The action at a stage that makes, or reads, what goes in `direction`.
  int compute_at(int stage, int mb, Direction direction) {
    if (direction == Direction::forward)
      return at({.kind = ActionKind::forward, .stage = stage, .microbatch = mb});
    const int whole = at({.kind = ActionKind::backward, .stage = stage, .microbatch = mb});
    return whole != kNowhere
               ? whole
               : at({.kind = ActionKind::backward_input, .stage = stage, .microbatch = mb});
  }

  void check_transfer(const Route& route, int id, int mb) {
    const Action send = send_of(route, mb), receive = receive_of(route, mb);
    const int sender = plan_.device[route.from], reader = plan_.device[route.to];
    const int sent = sends_[slot(id, mb)], received = receives_[slot(id, mb)];
    if (sent == kNowhere)
      fail(route.from, mb, fmt::format("{} is missing on device {}", to_string(send), sender),
           {gap(sender, to_string(send))});
    if (received == kNowhere)
      fail(route.to, mb, fmt::format("{} is missing on device {}", to_string(receive), reader),
           {gap(reader, to_string(receive))});
    const int maker = compute_at(route.from, mb, route.direction);
    if (sent < maker)
      fail(route.from, mb,
           fmt::format("{} stands before {}, which makes its values", to_string(send),
                       to_string(schedule_.devices[sender][maker])),
           {mark(sender, sent), mark(sender, maker)});
    const int user = compute_at(route.to, mb, route.direction);
    if (received > user)
      fail(route.to, mb,
           fmt::format("{} stands behind {}, which reads it", to_string(receive),
                       to_string(schedule_.devices[reader][user])),
           {mark(reader, user), mark(reader, received)});
  }

  const Schedule& schedule_;
  const StagePlan& plan_;
  const std::string& source_;
  const Routes routes_;
  std::vector<int> compute_[4];        // [F, B, I, W][stage, micro-batch]: place in the list
  std::vector<int> sends_, receives_;  // [route, micro-batch]: place in the list
};

}  // namespace

void validate(const Schedule& schedule, const StagePlan& plan, const std::string& source) {
  Validator(schedule, plan, source).run();
}

void validate_activations(const Schedule& schedule, const std::vector<int>& most_activations,
                          const std::string& source) {
  HEADRACE_CHECK(most_activations.size() == schedule.devices.size());
  for (size_t d = 0; d < schedule.devices.size(); ++d) {
    int alive = 0;
    for (size_t i = 0; i < schedule.devices[d].size(); ++i)
      for (const Action& part : ActionParts(schedule.devices[d][i])) {
        if (part.kind == ActionKind::backward || part.kind == ActionKind::backward_input) --alive;
        if (part.kind != ActionKind::forward || ++alive <= most_activations[d]) continue;
        throw Error(
            "{}: stage {}, micro-batch {}: device {} holds {} activations from {} on, its limit is "
            "{}\n{}",
            source, part.stage, part.microbatch, d, alive, to_string(schedule.devices[d][i]),
            most_activations[d],
            to_grid(
                schedule,
                {{.device = static_cast<int>(d), .position = static_cast<int>(i), .label = {}}}));
      }
  }
}

}  // namespace headrace
