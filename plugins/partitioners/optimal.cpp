// The least bottleneck of all contiguous stages, along whatever order of the nodes: exact, by
// branch and bound over which stages every unit may be in (stage_domains.h), and where time runs
// out the best that was found with a bound below which none can be. Looped placements, unequal
// devices, memory, links of either kind and units without an order are part of the question; so are
// graphs whose stages need not be contiguous.

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "plugins/partitioners/bounded_search.h"
#include "plugins/partitioners/contiguous_start.h"
#include "plugins/partitioners/units.h"

namespace headrace::partitioners {
namespace {

constexpr headrace_option kOptions[] = {sdk::float_option(
    "time-limit", "10", "0", "86400", "Seconds of search; the best found counts then")};

// `stages` of the units of a finer partition as stages of the coarser one: for each unit the latest
// of its parts, and no earlier than what comes before it.
std::vector<int> coarsened(const Units& fine, const std::vector<int>& stages, const Units& coarse) {
  std::vector<int> result(static_cast<size_t>(coarse.size()));
  for (size_t node = 0; node < coarse.unit_of_node.size(); ++node) {
    int& stage = result[static_cast<size_t>(coarse.unit_of_node[node])];
    stage = std::max(stage, stages[static_cast<size_t>(fine.unit_of_node[node])]);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (int unit = 0; unit < coarse.size(); ++unit)
      for (const int from : coarse.before[static_cast<size_t>(unit)])
        if (result[static_cast<size_t>(unit)] < result[static_cast<size_t>(from)]) {
          result[static_cast<size_t>(unit)] = result[static_cast<size_t>(from)];
          changed = true;
        }
  }
  return result;
}

std::vector<int> optimal(const sdk::PartitionRequest& r) {
  if (!r.has_values()) throw std::invalid_argument("needs a host of ABI 1.2 or later");
  const auto start = Clock::now();
  const auto deadline = start + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(r.option<double>("time-limit")));
  const Units units(r);
  Units joined = units;
  joined.empty_stages = true;
  join_dominated(joined);

  // The least of two starts, both in the units that are searched.
  std::vector<int> known = contiguous_start(r, units);
  double known_s = known.empty() ? 0 : loads_of(units, known).largest_s;
  std::vector<int> first;
  if (!known.empty()) {
    first = coarsened(units, known, joined);
    if (loads_of(joined, first).overflow_bytes > 0) first.clear();
  }
  const double floor_s = work_floor(units);
  if (units.stages() > StageDomains::kMostStages) {
    if (known.empty()) throw std::invalid_argument("finds no stages for so many devices");
    r.bound(std::min(floor_s, known_s));
    return stages_of_nodes(units, known);
  }
  BoundedAnswer answer = search_bounded(joined, std::move(first), floor_s, deadline);
  if (answer.infeasible)
    throw std::invalid_argument("no stages keep every device within its memory");
  double bound_s = answer.lower_bound_s;
  std::vector<int> stages;
  if (!answer.stages.empty()) {
    stages.resize(units.seconds.size());
    for (size_t node = 0; node < units.unit_of_node.size(); ++node)
      stages[static_cast<size_t>(units.unit_of_node[node])] =
          answer.stages[static_cast<size_t>(joined.unit_of_node[node])];
    if (!is_in_order(units, stages)) stages.clear();  // it leaves a stage empty
  }
  // Where no stage may be empty, the joined units only give the bound.
  if (stages.empty()) {
    answer = search_bounded(units, known, bound_s, deadline);
    if (answer.infeasible)
      throw std::invalid_argument("no stages keep every device within its memory and none empty");
    stages = std::move(answer.stages);
    bound_s = std::max(bound_s, answer.lower_bound_s);
  }
  if (!known.empty() && (stages.empty() || known_s < loads_of(units, stages).largest_s))
    stages = known;
  if (stages.empty())
    throw std::invalid_argument("found no stages in its time; give a longer time-limit");
  r.bound(std::min(bound_s, loads_of(units, stages).largest_s));
  return stages_of_nodes(units, stages);
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("optimal",
                            "The least bottleneck of all contiguous stages, with a proof.",
                            headrace::partitioners::optimal, headrace::partitioners::kOptions)
