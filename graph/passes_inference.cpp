#include "graph/error.h"
#include "graph/passes.h"

namespace headrace {
namespace {

// The form of a forward node that uses what training found out and changes nothing.
Node evaluation_form(const Graph& graph, Node node) {
  if (node.op == "BatchNormalization") {
    node.op = "BatchNormalizationInference";
    node.attributes = {{"epsilon", node.attributes.get_float("epsilon")},
                       {"activation", node.attributes.get_string("activation", "")}};
    node.outputs.resize(1);
  } else if (node.op == "Dropout") {
    node.op = "Reshape";
    node.attributes = {{"shape", graph.value(node.inputs[0]).type.shape}};
    node.outputs.resize(1);
  }
  return node;
}

}  // namespace

Graph inference_graph(const TrainingGraph& training) {
  Graph result = without_nodes(training.graph);
  bool forward = true;
  for (const Node& node : training.graph.nodes()) {
    HEADRACE_CHECK(forward || node.phase != Phase::forward, "forward nodes come first");
    forward = node.phase == Phase::forward;
    if (forward) result.adopt_node(evaluation_form(training.graph, node));
  }
  std::erase(result.inputs, training.loss_seed);
  return result;
}

}  // namespace headrace
