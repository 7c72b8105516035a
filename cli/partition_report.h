#pragma once

#include <string>
#include <vector>

#include "cli/graphviz.h"
#include "cli/partition_answers.h"

namespace headrace {

// Throws Error when a page cannot show so many devices and stages.
void check_partition_drawable(const PartitionProblem& problem);

// Writes one HTML page that needs no other file and no network: all strategies in a table, and of
// each the load of its devices by kind of work beside the bound, the graph in the colours of its
// devices, and for a model the step as the scheduler is simulated to run it. Rows with answers
// first. Throws Error or RunError when it cannot be drawn or written.
void write_partition_report(const std::string& path, const PartitionQuestion& question,
                            const std::vector<StrategyRow>& rows, double bound_s,
                            const Graphviz& graphviz);

}  // namespace headrace
