#pragma once

#include <string>
#include <vector>

#include "graph/autodiff.h"

namespace headrace {

// Hyper-parameters that stay fixed in a run; the rate itself comes with each step.
struct OptimizerSpec {
  std::string name = "sgd";  // sgd, adam, adamw
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
  bool operator==(const OptimizerSpec&) const = default;
};

// Names of the per-parameter state of an optimizer, each of the parameter's type: {"momentum"},
// {"m", "v"} or none. Throws Error naming the nearest known optimizer.
std::vector<std::string> optimizer_state_names(const OptimizerSpec& spec);

// The update node's operator and attributes (graph/ops/README.md, Updates).
std::string update_op(const OptimizerSpec& spec);
Attributes update_attributes(const OptimizerSpec& spec);

}  // namespace headrace
