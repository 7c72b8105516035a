#include "scheduler/check_collectives.h"

#include <vector>

#include "graph/error.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr int kNowhere = -1;

// A gather from its UNSHARD to its RESHARD.
struct Gather {
  int unshard = kNowhere, reshard = kNowhere;  // positions in the device's list
  bool read = false;
};

// What one stage's device has seen of it so far.
struct StageState {
  bool gathered_at_all = false;  // has UNSHARD or RESHARD anywhere
  std::vector<Gather> gathers;   // as they begin
  size_t given_back = 0;         // of gathers
  int last_gradient = kNowhere;  // position of the last B or W
  int reduced_until = kNowhere;  // the one before the last REDUCE_GRAD
  int last_reduction = kNowhere;
};

class Checker {
 public:
  Checker(const Schedule& schedule, const std::string& source)
      : schedule_(schedule), source_(source), stages_(static_cast<size_t>(schedule.stages)) {}

  void run() {
    for (const auto& actions : schedule_.devices)
      for (const Action& action : actions)
        if (action.kind == ActionKind::unshard || action.kind == ActionKind::reshard)
          stages_[action.stage].gathered_at_all = true;
    for (size_t d = 0; d < schedule_.devices.size(); ++d)
      for (size_t i = 0; i < schedule_.devices[d].size(); ++i)
        for (const Action& part : ActionParts(schedule_.devices[d][i]))
          step(static_cast<int>(d), static_cast<int>(i), part);
    check_ends();
  }

 private:
  [[noreturn]] void fail(int device, const Action& action, const std::string& what,
                         const std::vector<int>& positions) const {
    const std::string mb =
        action.microbatch < 0 ? std::string() : fmt::format(", micro-batch {}", action.microbatch);
    std::vector<Mark> marks;
    for (const int position : positions)
      if (position != kNowhere) marks.push_back({device, position, {}});
    throw Error("{}: stage {}{}: {} {}\n{}", source_, action.stage, mb, to_string(action), what,
                to_grid(schedule_, marks));
  }

  static bool reads_parameters(ActionKind kind) {
    return kind == ActionKind::forward || kind == ActionKind::backward ||
           kind == ActionKind::backward_input;
  }
  static bool makes_gradients(ActionKind kind) {
    return kind == ActionKind::backward || kind == ActionKind::backward_weight;
  }

  void step(int device, int position, const Action& part) {
    StageState& stage = stages_[part.stage];
    const bool gathered = stage.given_back < stage.gathers.size();
    const int last_reshard =
        stage.given_back == 0 ? kNowhere : stage.gathers[stage.given_back - 1].reshard;
    if (part.kind == ActionKind::unshard) {
      stage.gathers.push_back({.unshard = position});
    } else if (part.kind == ActionKind::reshard) {
      if (!gathered)
        fail(device, part, "stands where nothing of the stage is gathered",
             {last_reshard, position});
      Gather& gather = stage.gathers[stage.given_back++];
      gather.reshard = position;
      if (!gather.read)
        fail(device, part, "gives back what nothing has read since its UNSHARD",
             {gather.unshard, position});
    } else if (part.kind == ActionKind::reduce_grad) {
      if (stage.last_gradient == stage.reduced_until)
        fail(device, part,
             stage.last_reduction == kNowhere ? "stands before any backward of the stage"
                                              : "stands twice with no backward between",
             {stage.last_reduction, position});
      stage.reduced_until = stage.last_gradient;
      stage.last_reduction = position;
    }
    if (stage.gathered_at_all && reads_parameters(part.kind)) {
      if (!gathered)
        fail(device, part,
             last_reshard == kNowhere ? "reads parameters that no UNSHARD before it gathers"
                                      : "reads parameters behind RESHARD and before UNSHARD",
             {last_reshard, position});
      stage.gathers[stage.given_back].read = true;
    }
    if (makes_gradients(part.kind)) stage.last_gradient = position;
  }

  void check_ends() const {
    int reducing = kNowhere;  // a stage
    for (int s = 0; s < schedule_.stages; ++s)
      if (stages_[s].last_reduction != kNowhere) reducing = s;
    for (int s = 0; s < schedule_.stages; ++s) {
      const StageState& stage = stages_[s];
      const int device = schedule_.device_of_stage[s];
      const auto& actions = schedule_.devices[device];
      for (size_t g = stage.given_back; g < stage.gathers.size(); ++g)
        if (const int position = stage.gathers[g].unshard; !stage.gathers[g].read)
          fail(device, actions[position],
               g > stage.given_back ? "stands twice with no RESHARD between"
                                    : "gathers what nothing reads behind it",
               {g > 0 ? stage.gathers[g - 1].unshard : kNowhere, position});
      if (reducing == kNowhere) continue;
      if (stage.last_reduction == kNowhere) {
        const Action missing = {.kind = ActionKind::reduce_grad, .stage = s, .microbatch = -1};
        throw Error("{}: stage {}: {} is missing on device {}, stage {} has one\n{}", source_, s,
                    to_string(missing), device, reducing,
                    to_grid(schedule_, {{device, static_cast<int>(actions.size()),
                                         to_string(missing) + " missing"}}));
      }
      if (stage.last_gradient != stage.reduced_until)
        fail(device, gradient_of(s, actions[stage.last_gradient]),
             "stands behind the last REDUCE_GRAD of its stage",
             {stage.last_reduction, stage.last_gradient});
    }
  }

  static Action gradient_of(int stage, const Action& action) {
    for (const Action& part : ActionParts(action))
      if (part.stage == stage && makes_gradients(part.kind)) return part;
    return action;
  }

  const Schedule& schedule_;
  const std::string& source_;
  std::vector<StageState> stages_;
};

}  // namespace

void check_collectives(const Schedule& schedule, const std::string& source) {
  Checker(schedule, source).run();
}

}  // namespace headrace
