#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// Adds to a forward graph, as further forward nodes, the gradient of the sum of `y` with respect to
// each of `xs`: inputs, parameters, constants or what nodes made. Where one of them depends on
// another, the path between the two does not count: they vary independently. Zeros where y does not
// depend on it. Throws Error listing every node on the way that has no gradient.
std::vector<ValueId> add_gradient(Graph& graph, ValueId y, std::span<const ValueId> xs);

}  // namespace headrace
