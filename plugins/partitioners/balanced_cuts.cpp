#include "plugins/partitioners/balanced_cuts.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "plugins/partitioners/device_search.h"
#include "plugins/partitioners/round_cuts.h"
#include "plugins/partitioners/stage_bound.h"

namespace headrace::partitioners {
namespace {

// Stages that fill their devices' memory to equal shares, as near as cuts allow.
std::vector<int> even_memory_cuts(const Chain& chain) {
  const size_t stages = chain.stages.size();
  const auto bytes = [&](int node, size_t stage) {
    const auto i = static_cast<size_t>(node);
    return static_cast<double>(chain.parameter_bytes[i] +
                               chain.activation_bytes[i] * chain.stages[stage].in_flight) /
           static_cast<double>(std::max<int64_t>(1, chain.stages[stage].memory_bytes));
  };
  double total = 0;  // devices' memories that all nodes fill, if spread evenly
  for (int node = 0; node < chain.nodes(); ++node)
    for (size_t s = 0; s < stages; ++s) total += bytes(node, s) / static_cast<double>(stages);
  const double share = total / static_cast<double>(stages);

  std::vector<int> cuts{0};
  size_t end = 0;
  for (size_t s = 0; s + 1 < stages; ++s) {
    const size_t last = chain.cuts.size() - 1 - (stages - 1 - s);
    double held = 0;
    do {
      ++end;
      for (int node = chain.cuts[end - 1]; node < chain.cuts[end]; ++node) held += bytes(node, s);
    } while (end < last && held < share);
    cuts.push_back(chain.cuts[end]);
  }
  cuts.push_back(chain.nodes());
  return cuts;
}

}  // namespace

std::vector<int> balanced_cuts(const Chain& chain) {
  check_enough_pieces(chain.cuts, static_cast<int>(chain.stages.size()));
  // A rough answer first: its largest stage is the limit that keeps the exact one quick.
  std::vector<int> rough_cuts;
  double upper = StageBound::kNever;
  const std::vector<int> coarse = coarse_cuts(chain);
  if (coarse.size() > chain.stages.size() && coarse.size() < chain.cuts.size()) {
    const StageBound rough(chain, coarse, upper);
    if (rough.feasible()) {
      rough_cuts = rough.best_cuts();
      upper = rough.bound();
    }
  }
  const StageBound bound(chain, chain.cuts, upper);
  if (!bound.feasible())
    throw std::invalid_argument(
        "no contiguous stages keep every device within its memory; use more devices, smaller "
        "micro-batches or a scheduler that holds fewer of them");
  std::vector<int> cuts = bound.best_cuts();
  const Load load = load_of(chain, cuts);
  const bool own_device_each = chain.devices == static_cast<int>(chain.stages.size());
  if (chain.devices == 1) return cuts;
  if (own_device_each && load.largest_device_s <= bound.bound() * (1 + 1e-12)) return cuts;

  if (!rough_cuts.empty() && is_better(chain, load_of(chain, rough_cuts), load)) cuts = rough_cuts;
  if (chain.in_rounds && coarse.size() > chain.stages.size()) {
    const std::vector<int> rounds = least_round_cuts(chain, coarse);
    if (is_better(chain, load_of(chain, rounds), load_of(chain, cuts))) cuts = rounds;
  }
  cuts = search_devices(chain, bound, std::move(cuts));
  if (load_of(chain, cuts).overflow_bytes == 0) return cuts;
  std::vector<int> fitting = search_devices(chain, bound, even_memory_cuts(chain));
  return is_better(chain, load_of(chain, fitting), load_of(chain, cuts)) ? fitting : cuts;
}

}  // namespace headrace::partitioners
