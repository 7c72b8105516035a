#include "graph/optimizer.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

// What one optimizer has. A hyper-parameter without a default here is none of its own.
struct Known {
  std::string_view name, op;
  std::vector<std::string> states;
  std::optional<double> beta1 = {}, beta2 = {}, epsilon = {};
  bool has_momentum = false;  // its buffer, "momentum", is a state where the momentum is not 0
};

const std::vector<Known>& all() {
  static const std::vector<Known> known{
      {"sgd", "SgdUpdate", {}, {}, {}, {}, true},
      {"adam", "AdamUpdate", {"m", "v"}, 0.9, 0.999, 1e-8},
      {"adamw", "AdamUpdate", {"m", "v"}, 0.9, 0.999, 1e-8},
      {"lamb", "LambUpdate", {"m", "v"}, 0.9, 0.999, 1e-6},
      {"lion", "LionUpdate", {"m"}, 0.9, 0.99, {}},
      {"rmsprop", "RmspropUpdate", {"v"}, {}, 0.99, 1e-8, true},
      {"adagrad", "AdagradUpdate", {"sum"}, {}, {}, 1e-10},
  };
  return known;
}

const Known& named(const std::string& name) {
  std::vector<std::string> names;
  for (const Known& known : all()) {
    if (known.name == name) return known;
    names.emplace_back(known.name);
  }
  throw Error("no optimizer is named '{}'; the nearest is {}", name, nearest(name, names));
}

void require_within(std::string_view what, double value, double least, double below) {
  if (!(value >= least && value < below))
    throw Error("optimizer: {} is {}, wanted in [{}, {})", what, value, least, below);
}

constexpr double kAny = 1e300;

const Known& check(const OptimizerSpec& spec) {
  const Known& known = named(spec.name);
  const auto check_own = [&](std::string_view what, const std::optional<double>& given,
                             const std::optional<double>& otherwise, double below) {
    if (given && !otherwise) throw Error("optimizer: {} has no {}", spec.name, what);
    if (given) require_within(what, *given, 0, below);
  };
  check_own("beta1", spec.beta1, known.beta1, 1);
  check_own("beta2", spec.beta2, known.beta2, 1);
  check_own("epsilon", spec.epsilon, known.epsilon, kAny);
  require_within("weight_decay", spec.weight_decay, 0, kAny);
  require_within("momentum", spec.momentum, 0, kAny);
  if (spec.momentum != 0 && !known.has_momentum)
    throw Error("optimizer: {} has no momentum", spec.name);
  if (spec.nesterov && spec.name != "sgd") throw Error("optimizer: {} has no nesterov", spec.name);
  if (spec.nesterov && (spec.momentum == 0 || spec.dampening != 0))
    throw Error("optimizer: nesterov wants a momentum above 0 and no dampening");
  return known;
}

}  // namespace

std::vector<std::string> optimizer_state_names(const OptimizerSpec& spec) {
  std::vector<std::string> states = check(spec).states;
  if (spec.momentum != 0) states.emplace_back("momentum");
  return states;
}

std::string update_op(const OptimizerSpec& spec) { return std::string(check(spec).op); }

Attributes update_attributes(const OptimizerSpec& spec) {
  const Known& known = check(spec);
  Attributes attributes{{"weight_decay", spec.weight_decay}};
  if (known.beta1) attributes.set("beta1", spec.beta1.value_or(*known.beta1));
  if (known.beta2) attributes.set("beta2", spec.beta2.value_or(*known.beta2));
  if (known.epsilon) attributes.set("epsilon", spec.epsilon.value_or(*known.epsilon));
  if (known.has_momentum) attributes.set("momentum", spec.momentum);
  if (known.op == "SgdUpdate") {
    attributes.set("nesterov", static_cast<int64_t>(spec.nesterov));
    attributes.set("dampening", spec.dampening);
  }
  if (known.op == "AdamUpdate")
    attributes.set("decoupled", static_cast<int64_t>(spec.name == "adamw"));
  return attributes;
}

}  // namespace headrace
