#pragma once

#include <vector>

#include "graph/autodiff.h"

namespace headrace {

// The share of the bytes of each node's operands, 0 to 1, that a step finds outside a cache of
// `cache_bytes` with replacement of what was used least recently: those of operands between whose
// last use and this one the step has touched more bytes than the cache holds (stack distances,
// Mattson et al., IBM Systems Journal 1970). Micro-batch follows micro-batch, each running all
// nodes in graph order: so it is for one device that holds the whole graph, and for several that
// share the cache. What a node hands on within its own phase lies in memory that was used just
// before.
std::vector<double> cold_shares(const TrainingGraph& training, double cache_bytes);

}  // namespace headrace
