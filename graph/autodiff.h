#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// The gradient of one parameter. Each node that reads the parameter contributes a value of its own;
// contributions are accumulated apart over the micro-batches and summed, in this order (graph order
// of the readers), before the update. That keeps the bits the same wherever the readers are placed.
struct ParameterGradient {
  ValueId parameter = kNoValue;
  std::vector<ValueId> contributions;
};

struct StateUpdate {
  ValueId state = kNoValue;
  ValueId replacement = kNoValue;  // computed in F, takes the state's place after each micro-batch
};

struct LossTerm {
  ValueId value = kNoValue;  // scalar f32 in the forward graph
  double weight = 1;
};

// One training step's graph: F, I and W nodes. `graph.nodes` stays in executable order.
struct TrainingGraph {
  Graph graph;
  ValueId loss = kNoValue;  // the weighted sum of the terms, scalar f32
  // Scalar f32 input, fed per micro-batch: the micro-batch's share of the mini-batch's mean (1/m
  // where all count alike), so that summing gradients over micro-batches gives exactly the
  // mini-batch's.
  ValueId loss_seed = kNoValue;
  std::vector<ParameterGradient> gradients;  // in parameter order of the graph
  std::vector<StateUpdate> state_updates;
  std::vector<ValueId> unreached;  // parameters that the loss does not depend on
};

// Reverse differentiation of `forward` (all nodes in phase F). Parameters that no loss depends on
// keep no gradient and are listed in `unreached`. A backward node is W when it only leads to
// parameter gradients, otherwise I. Throws Error listing every node on the way that has no
// gradient.
TrainingGraph differentiate(Graph forward, const std::vector<LossTerm>& losses,
                            std::vector<StateUpdate> state_updates);

}  // namespace headrace
