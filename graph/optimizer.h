#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/autodiff.h"

namespace headrace {

// Hyper-parameters that stay fixed in a run; the rate itself comes with each step. What an
// optimizer has no use for must be left as it is here.
struct OptimizerSpec {
  std::string name = "sgd";  // sgd, adam, adamw, lamb, lion, rmsprop, adagrad
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  // Left out: 0.9, 0.999 and 1e-8, except where the optimizer's authors or PyTorch have others
  // (lion's beta2 and rmsprop's are 0.99; lamb's epsilon is 1e-6, adagrad's 1e-10).
  std::optional<double> beta1 = {}, beta2 = {}, epsilon = {};
  double weight_decay = 0;
  bool operator==(const OptimizerSpec&) const = default;
};

// Names of the per-parameter state of an optimizer, each of the parameter's type: {"momentum"},
// {"m", "v"} or none. Throws Error: an unknown optimizer (naming the nearest known one), a
// hyper-parameter that it does not have or that is out of its range.
std::vector<std::string> optimizer_state_names(const OptimizerSpec& spec);

// The update node's operator and attributes (graph/ops/README.md, Updates).
std::string update_op(const OptimizerSpec& spec);
Attributes update_attributes(const OptimizerSpec& spec);

}  // namespace headrace
