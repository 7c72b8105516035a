#include "plugins/partitioners/contiguous_start.h"

#include <algorithm>
#include <stdexcept>

#include "plugins/partitioners/balanced_cuts.h"

namespace headrace::partitioners {

std::vector<int> contiguous_start(const sdk::PartitionRequest& request, const Units& units) {
  std::vector<int> stage_of_node;
  try {
    stage_of_node = stages_of(balanced_cuts(Chain(request)));
  } catch (const std::invalid_argument&) {
    return {};  // no cuts fit, or there are too few
  }
  std::vector<int> stages(units.seconds.size());
  for (size_t node = 0; node < stage_of_node.size(); ++node)
    stages[static_cast<size_t>(units.unit_of_node[node])] = stage_of_node[node];
  // Units may hold nodes that a chain can part, and edges that it does not see.
  if (loads_of(units, stages).overflow_bytes > 0 || !is_in_order(units, stages)) return {};
  return stages;
}

double work_floor(const Units& units) {
  double total_s = 0, largest_s = 0, speed = 0;
  for (const double seconds : units.seconds) {
    total_s += seconds;
    largest_s = std::max(largest_s, seconds);
  }
  for (const double each : units.speed) speed += each;
  return std::max(total_s / speed,
                  largest_s / *std::max_element(units.speed.begin(), units.speed.end()));
}

}  // namespace headrace::partitioners
