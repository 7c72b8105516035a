#pragma once

#include <memory>
#include <vector>

#include "graph/autodiff.h"
#include "kernels/evaluate.h"
#include "tests/kernels/operator_table.h"

namespace headrace {

// A row of the table as a graph: its node, and where an input is differentiable the gradient of a
// random projection of its outputs. All float values are exact in f32.
struct OperatorCase {
  TrainingGraph training;  // without a loss where nothing is differentiable
  Feeds feeds;             // inputs and the loss seed
  StepContext step;
  NodeId node = kNoNode;  // the row's own

  const Graph& graph() const { return training.graph; }
  bool has_gradient() const { return training.loss != kNoValue; }
  // The row's node and those that its gradient rule made, without the projection around them.
  std::vector<const Node*> nodes() const;
};

// Throws Error naming the row where the graph cannot be built.
OperatorCase make_case(const OperatorRow& row);

// Deterministic values of a spec; `salt` parts the draws of one case.
HostTensor draw(const InputSpec& spec, uint64_t salt);

// Rounds f64 contents to `type`'s dtype; other dtypes come back as they are.
HostTensor rounded_to(const TensorType& type, const HostTensor& tensor);

}  // namespace headrace
