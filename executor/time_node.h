#pragma once

#include <vector>

#include "executor/cost_table.h"
#include "graph/autodiff.h"
#include "kernels/device.h"

namespace headrace {

// Seconds of one run of a node's kernel on zeros, its operands in the cache: the fastest of
// several, of devices with queues the mean (kernels/queue_timing.h). On the calling thread, which
// is bound to the device.
double time_node(Device& device, const Graph& graph, const Node& node);

// Measures the forms of a graph's nodes (layouts settled) that the table lacks, each once, and
// tells how many: with operands in the cache and outside, and where gradients are summed over
// micro-batches also adding to what lies there. Reshape takes no time. table.rates are known.
int64_t measure_missing(Device& device, const TrainingGraph& training, CostTable& table);

}  // namespace headrace
