#pragma once

#include <vector>

#include "graph/autodiff.h"

namespace headrace {

// Training that keeps less and computes more (Chen et al., arXiv:1604.06174): what a stage's
// backward nodes read of its forward nodes is made once more, right before, from the values that
// came into the stage. `stage[n]` is the stage of every node of the graph, `chosen[s]` whether it
// computes again.
//
// Values keep their ids, forward nodes theirs; the nodes that repeat (Node::repeats) stand before
// the first backward node of their stage. They compute the same bits: they read the same values
// with the same attributes and layouts. What reads a state that every micro-batch replaces is kept,
// save BatchNormalization, whose output does not depend on it.
TrainingGraph recompute(const TrainingGraph& training, const std::vector<int>& stage,
                        const std::vector<bool>& chosen);

// What was known of every node of the graph that was recomputed, for those of the result: repeating
// nodes have what the repeated have.
std::vector<double> with_repeats(const Graph& recomputed, const std::vector<double>& of_nodes);

}  // namespace headrace
