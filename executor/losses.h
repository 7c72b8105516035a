#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace headrace {

// What classes a target may have that do not count; PyTorch's default, and ours when evaluation
// pads the last batch.
inline constexpr int64_t kIgnoredTarget = -100;

// One --loss: KIND[:output[:target]][*weight]. Kinds: cross-entropy (class scores and integer
// targets; classes lie on axis 1, on the last axis of a rank-3 output), nll (the same on
// probabilities; those of a Softmax or a Sigmoid are taken back to its scores), mse, bce
// (probabilities), bce-logits, output (the model's own scalar).
// parse_loss splits at colons; attach_losses knows the outputs, whose names may hold some.
struct LossOption {
  std::string kind, output, target;  // empty: the first output; "target"
  double weight = 1;
};
LossOption parse_loss(const std::string& text);

struct AttachedLosses {
  std::vector<LossTerm> terms;
  std::vector<ValueId> targets;  // inputs that were added, in order
  // Counts of right answers, one per classifying loss, and how many targets one micro-batch has.
  std::vector<ValueId> correct_counts;
  int64_t targets_per_microbatch = 0;     // of the first classifying loss
  std::optional<ValueId> counted_target;  // its target
};

// Adds the losses to a forward graph. Without options the model must bring one: an output made by a
// loss operator, or its only scalar f32 output. Throws Error naming the outputs there are.
AttachedLosses attach_losses(Graph& graph, const std::vector<std::string>& options);

}  // namespace headrace
