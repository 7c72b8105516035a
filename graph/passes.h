#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace headrace {

// A graph without the nodes and values that no root depends on. `remap` (if given) receives for
// each old value its new id or kNoValue; `remap_nodes` likewise.
Graph drop_dead(const Graph& graph, std::span<const ValueId> roots,
                std::vector<ValueId>* remap = nullptr, std::vector<NodeId>* remap_nodes = nullptr);

// Forward-graph rewrites that keep meaning and gradients: Identity and same-type Cast out, Reshape
// of Reshape, Transpose pairs and Transpose into MatMul's flags, MatMul + Add(bias) -> MatMul with
// bias, relu into BatchNormalization, Conv or MatMul, guards against NaN behind a softmax whose
// mask leaves something in every row. State updates are renumbered.
struct ForwardGraph {
  Graph graph;
  std::vector<StateUpdate> state_updates;
};
ForwardGraph canonicalize(ForwardGraph forward);

// The evaluation form of a training graph's forward part: BatchNormalization with its running
// statistics, Dropout gone, nodes and values otherwise under the ids they have in `training`.
Graph inference_graph(const TrainingGraph& training);

}  // namespace headrace
