// Stages that need not be contiguous: any node on any device, as far as colocation and memory let
// it. The best that annealing from several starts finds (moves.h), which the exact search
// (bounded_search.h) then proves or improves as long as the time lasts. A pipeline cannot run such
// stages, so this is for graphs of costs.

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "plugins/partitioners/bounded_search.h"
#include "plugins/partitioners/contiguous_start.h"
#include "plugins/partitioners/moves.h"
#include "plugins/partitioners/units.h"

namespace headrace::partitioners {
namespace {

constexpr headrace_option kOptions[] = {
    sdk::float_option("time-limit", "10", "0", "86400",
                      "Seconds of search; the best found counts then"),
    sdk::int_option("starts", "24", "1", "1000000", "Annealings, each from another start"),
    sdk::int_option("seed", "1", "0", nullptr, "Of the starts and moves")};

// As a part of the time: the annealing at most, before the proof.
constexpr double kAnnealing = 0.6;

std::vector<int> graph(const sdk::PartitionRequest& r) {
  if (!r.has_values()) throw std::invalid_argument("needs a host of ABI 1.2 or later");
  if (r.contiguous() || !r.empty_stages())
    throw std::invalid_argument(
        "parts graphs of costs into stages that need not be contiguous: --costs with "
        "--contiguous=false; 'optimal' is for contiguous ones");
  const auto seconds = [](double count) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
  };
  const double limit_s = r.option<double>("time-limit");
  const auto begin = Clock::now(), deadline = begin + seconds(limit_s);
  Units units(r);
  join_dominated(units);
  // Cuts of one order, if any fit; else all on the first device.
  std::vector<int> stages = contiguous_start(r, units);
  if (stages.empty()) stages.resize(units.seconds.size());
  const double floor_s = work_floor(units);
  stages = search_moves(units, stages,
                        {.seed = static_cast<uint64_t>(r.option<int64_t>("seed")),
                         .starts = r.option<int>("starts"),
                         .lower_bound_s = floor_s,
                         .deadline = begin + seconds(limit_s * kAnnealing)});
  const bool fits = loads_of(units, stages).overflow_bytes == 0;
  double bound_s = floor_s;
  if (units.stages() <= StageDomains::kMostStages) {
    BoundedAnswer answer =
        search_bounded(units, fits ? stages : std::vector<int>{}, floor_s, deadline);
    if (answer.infeasible)
      throw std::invalid_argument("no devices hold all of it: their memory is too small");
    if (!answer.stages.empty()) stages = std::move(answer.stages);
    bound_s = answer.lower_bound_s;
  }
  const Loads loads = loads_of(units, stages);
  if (loads.overflow_bytes > 0)
    throw std::invalid_argument("finds nothing that fits the devices' memory in its time");
  r.bound(std::min(bound_s, loads.largest_s));
  return stages_of_nodes(units, stages);
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("graph",
                            "Any node on any device, not contiguous: annealing, then a proof.",
                            headrace::partitioners::graph, headrace::partitioners::kOptions)
