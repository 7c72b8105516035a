#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// An update that the model itself writes out: a graph of forward nodes that runs once per step,
// when the gradients are summed, and says what every parameter and optimizer state becomes. Tensors
// are known by name: a parameter by that of the training graph's parameter.
struct WrittenUpdate {
  Graph graph;

  struct Gradient {
    ValueId value = kNoValue;  // an input
    std::string parameter;
  };
  std::vector<Gradient> gradients;

  // A parameter or a state that lasts from step to step.
  struct Kept {
    std::string name;
    ValueId before = kNoValue;  // role state; its contents are those of the first step
    ValueId after = kNoValue;   // kNoValue: it is read and never changes
  };
  std::vector<Kept> kept;

  // Scalar inputs that the run feeds: the learning rate (float) and the number of steps done
  // (integer).
  std::optional<ValueId> rate, step;
};

}  // namespace headrace
