#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace headrace {

// A graph without the nodes and values that no root depends on; its inputs stay. `remap` (if given)
// receives for each old value its new id or kNoValue; `remap_nodes` likewise.
Graph drop_dead(const Graph& graph, std::span<const ValueId> roots,
                std::vector<ValueId>* remap = nullptr, std::vector<NodeId>* remap_nodes = nullptr);

// The values of a graph under their ids, its inputs and its outputs, for a pass that puts nodes in
// place that make them.
Graph without_nodes(const Graph& graph);

// Forward-graph rewrites that keep meaning, gradients and the model's outputs (passes_rewrites.h
// lists them): what changes nothing goes, views merge, Transposes become MatMul's flags, biases and
// relu go into the node before them, decomposed Gelu and LayerNormalization are put together, and
// guards against NaN go where a softmax's mask leaves something in every row. Values, nodes and
// state updates are renumbered.
struct ForwardGraph {
  Graph graph;
  std::vector<StateUpdate> state_updates;
};
ForwardGraph canonicalize(ForwardGraph forward);

// Whether a node that a pass could make is wanted; with the types that its operands would have.
using WantsNode = std::function<bool(const Node&, const std::vector<TensorType>& inputs,
                                     const std::vector<TensorType>& outputs)>;

// A canonical forward graph with softmax(scale q k^T + mask) v as Attention nodes, where the
// pattern stands in f32 over heads [B, H, ..], nothing else reads what is between, and the node is
// wanted with q, k and v in `products`, the dtype that products will have. A constant mask that is
// the causal one becomes `causal`; another mask becomes the bias where no parameter leads to it
// and, if it is constant, each row sees a key. Scales of scores, q and k go into `scale`. Between
// softmax and v nothing may stand, so with a Dropout there the pattern stays.
ForwardGraph fuse_attention(ForwardGraph forward, DType products, const WantsNode& wants);

// The graph with its products and convolutions in `narrow`, f16 or bf16, and f32 where range or
// sums matter, as mixed-precision training has it (Micikevicius et al., arXiv:1710.03740): products
// take narrow factors; what is pointwise or only moves stays narrow between them; losses, softmax,
// statistics, sums and all other operators take f32. Parameters and states stay f32, so gradients
// arrive in f32 behind a Cast. `remap` receives for each old value its new id: of `roots`, of the
// graph's outputs and of states' replacements one of the old type, of others any.
Graph narrow_products(const Graph& graph, DType narrow, std::span<const ValueId> roots,
                      std::vector<ValueId>* remap);

// The evaluation form of a training graph's forward part: BatchNormalization with its running
// statistics, Dropout gone, nodes and values otherwise under the ids they have in `training`.
Graph inference_graph(const TrainingGraph& training);

}  // namespace headrace
