// Contiguous stages in graph order with the shortest step, as the scheduler that the user chose
// runs it, memory included: what a cost per device leaves out, such as stages that wait for each
// other, micro-batches that are too few, a long warm-up or an update at the end, the simulation
// sees. Starts from the balanced and from equal cuts and moves single cuts, or two neighbours
// together, by steps that halve, as long as the step becomes shorter.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <vector>

#include "plugins/partitioners/balanced_cuts.h"

namespace headrace::partitioners {
namespace {

constexpr headrace_option kOptions[] = {
    sdk::int_option("simulations", "300", "1", "1000000",
                    "Cuts that are simulated before the best of them is the answer."),
};

class CutSearch {
 public:
  CutSearch(const sdk::PartitionRequest& request, const Chain& chain)
      : request_(request), chain_(chain), left_(request.option<int64_t>("simulations")) {}

  std::vector<int> run() {
    start_at(balanced_cuts(chain_));
    start_at(equal_cuts());
    at_ = best_;
    const size_t longest = std::max<size_t>(1, chain_.cuts.size() / (2 * chain_.stages.size()));
    for (size_t step = longest; step > 0; step /= 2)
      while (sweep(step)) {
      }
    std::vector<int> cuts;
    for (const size_t index : best_) cuts.push_back(chain_.cuts[index]);
    return cuts;
  }

 private:
  using Places = std::vector<size_t>;  // indices into the chain's cuts

  void start_at(const std::vector<int>& cuts) {
    Places places;
    for (const int cut : cuts)
      places.push_back(static_cast<size_t>(
          std::lower_bound(chain_.cuts.begin(), chain_.cuts.end(), cut) - chain_.cuts.begin()));
    if (best_.empty()) best_ = places;
    look(places);
  }

  std::vector<int> equal_cuts() const {
    return cuts_at_shares(chain_.cuts, {chain_.cuts.begin(), chain_.cuts.end()},
                          static_cast<int>(chain_.stages.size()));
  }

  bool sweep(size_t step) {
    bool moved = false;
    for (size_t width = 1; width <= 2; ++width)
      for (size_t s = 1; s + width < at_.size(); ++s)
        for (const bool later : {true, false}) moved |= move(s, width, step, later);
    return moved;
  }

  // Moves the cuts s to s + width - 1.
  bool move(size_t s, size_t width, size_t step, bool later) {
    if (later ? at_[s + width - 1] + step >= at_[s + width] : at_[s] <= at_[s - 1] + step)
      return false;
    Places places = at_;
    for (size_t i = s; i < s + width; ++i) places[i] += later ? step : 0 - step;
    if (!look(places)) return false;
    at_ = places;
    return true;
  }

  // Whether these cuts are the best yet.
  bool look(const Places& places) {
    if (left_ == 0) return false;
    if (!seen_.insert(places).second) return false;
    --left_;
    std::vector<int> cuts;
    for (const size_t index : places) cuts.push_back(chain_.cuts[index]);
    const double step_s = request_.simulate(stages_of(cuts));
    if (!(step_s < best_s_)) return false;
    best_s_ = step_s;
    best_ = places;
    return true;
  }

  const sdk::PartitionRequest& request_;
  const Chain& chain_;
  int64_t left_;  // simulations
  Places at_, best_;
  double best_s_ = std::numeric_limits<double>::infinity();
  std::set<Places> seen_;
};

std::vector<int> schedule_aware(const sdk::PartitionRequest& request) {
  if (!request.can_simulate())
    throw std::invalid_argument("simulates the chosen scheduler, and here none is chosen");
  const Chain chain(request);
  return stages_of(CutSearch(request, chain).run());
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("schedule-aware",
                            "Contiguous in graph order, the shortest step that simulating the "
                            "chosen scheduler finds.",
                            headrace::partitioners::schedule_aware,
                            headrace::partitioners::kOptions)
