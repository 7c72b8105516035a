#include "graph/optimizer.h"

#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

enum class Family { sgd, adam };

void require_within(const char* what, double value, double least, double below) {
  if (!(value >= least && value < below))
    throw Error("optimizer: {} is {}, wanted in [{}, {})", what, value, least, below);
}

Family check(const OptimizerSpec& spec) {
  static const std::vector<std::string> names{"sgd", "adam", "adamw"};
  constexpr double kAny = 1e300;
  require_within("weight_decay", spec.weight_decay, 0, kAny);
  if (spec.name == "sgd") {
    require_within("momentum", spec.momentum, 0, kAny);
    if (spec.nesterov && (spec.momentum == 0 || spec.dampening != 0))
      throw Error("optimizer: nesterov wants a momentum above 0 and no dampening");
    return Family::sgd;
  }
  if (spec.name == "adam" || spec.name == "adamw") {
    require_within("beta1", spec.beta1, 0, 1);
    require_within("beta2", spec.beta2, 0, 1);
    require_within("epsilon", spec.epsilon, 0, kAny);
    return Family::adam;
  }
  throw Error("no optimizer is named '{}'; the nearest is {}", spec.name,
              nearest(spec.name, names));
}

}  // namespace

std::vector<std::string> optimizer_state_names(const OptimizerSpec& spec) {
  if (check(spec) == Family::adam) return {"m", "v"};
  if (spec.momentum != 0) return {"momentum"};
  return {};
}

std::string update_op(const OptimizerSpec& spec) {
  return check(spec) == Family::adam ? "AdamUpdate" : "SgdUpdate";
}

Attributes update_attributes(const OptimizerSpec& spec) {
  if (check(spec) == Family::adam)
    return {{"beta1", spec.beta1},
            {"beta2", spec.beta2},
            {"epsilon", spec.epsilon},
            {"weight_decay", spec.weight_decay},
            {"decoupled", static_cast<int64_t>(spec.name == "adamw")}};
  return {{"momentum", spec.momentum},
          {"nesterov", static_cast<int64_t>(spec.nesterov)},
          {"weight_decay", spec.weight_decay},
          {"dampening", spec.dampening}};
}

}  // namespace headrace
