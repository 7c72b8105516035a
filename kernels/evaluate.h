#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "kernels/kernel.h"

namespace headrace {

// The outputs of one node whose inputs are known, by the reference kernels; for folding constants.
// `inputs` is parallel to node.inputs, empty where an optional one is left out; one tensor comes
// back for each output that the operator's rule infers. Throws Error where the shapes do not fit
// and where the reference has no loop for the operator or dtype.
std::vector<HostTensor> evaluate(const Node& node, std::span<const HostTensor> inputs);

using Feeds = std::map<ValueId, HostTensor>;

struct EvaluateOptions {
  // Computes in f64 what the graph has in any float dtype: feeds, constants, parameters and every
  // computed value.
  bool in_f64 = false;
  StepContext step;
};

// Runs a graph in host memory by the reference kernels, each prepared when it is first needed. The
// graph outlives the evaluator and does not change.
class GraphEvaluator {
 public:
  explicit GraphEvaluator(const Graph& graph, EvaluateOptions options = {});
  ~GraphEvaluator();
  GraphEvaluator(GraphEvaluator&&) noexcept;

  // The wanted values, computing only what they depend on. A feed stands for its value whatever its
  // role, so parameters and computed values may be fed too; inputs must be. Throws Error naming an
  // input that is missing, a feed of another type than its value's and a node that has no loop.
  std::vector<HostTensor> run(const Feeds& feeds, std::span<const ValueId> wanted);

 private:
  const Kernel& kernel(NodeId id);
  TensorType type_of(ValueId id) const;
  HostTensor source(ValueId id);

  const Graph& graph_;
  EvaluateOptions options_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // by node
  std::vector<HostTensor> sources_;               // by value: converted constants and parameters
};

std::vector<HostTensor> evaluate_graph(const Graph& graph, const Feeds& feeds,
                                       std::span<const ValueId> wanted,
                                       const EvaluateOptions& options = {});

// The tensor in f64 where it is of a float dtype, else itself.
HostTensor as_f64(const HostTensor& tensor);

}  // namespace headrace
