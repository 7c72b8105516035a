// Contiguous stages in graph order with the least bottleneck. What exactly is least, of all cuts
// that split no group of colocated nodes and keep every device within its memory:
//
// - One stage per device: the seconds that the busiest device spends on one micro-batch: F + I + W
//   of its nodes and the transfers of activations and gradients, which occupy both ends, once for
//   each device that needs the value. Dynamic programming solves it to the optimum where no value
//   is read by more than one later stage; where it cannot prove that, branch and bound closes the
//   gap (to the end, unless the graph is so tangled that its budget of steps runs out).
// - Several stages per device: the same, a device's seconds being those of all its stages together
//   and transfers within a device free; among equals the least largest stage, which makes the
//   bubble small. Optimal where branch and bound ends within its budget (about a dozen pieces per
//   stage); beyond that the best that moving single cuts finds, starting from the least largest
//   stage.

#include <stdexcept>

#include "plugins/partitioners/chain.h"
#include "plugins/partitioners/device_search.h"
#include "plugins/partitioners/stage_bound.h"

namespace headrace::partitioners {
namespace {

std::vector<int> balanced_cuts(const Chain& chain) {
  const bool own_device_each = chain.devices == static_cast<int>(chain.stages.size());
  std::vector<int> first;
  double upper = StageBound::kNever;
  if (std::vector<int> coarse = coarse_cuts(chain);
      coarse.size() > chain.stages.size() && coarse.size() < chain.cuts.size()) {
    const StageBound rough(chain, std::move(coarse), upper);
    if (rough.feasible()) {
      first = rough.best_cuts();
      upper = own_device_each ? load_of(chain, first).largest_device_s : rough.bound();
    }
  }
  const StageBound bound(chain, chain.cuts, upper);
  if (!bound.feasible())
    throw std::invalid_argument(
        "no contiguous stages keep every device within its memory; use more devices, smaller "
        "micro-batches or a scheduler that holds fewer of them");
  std::vector<int> cuts = bound.best_cuts();
  const Load load = load_of(chain, cuts);
  if (chain.devices == 1) return cuts;
  if (own_device_each && load.largest_device_s <= bound.bound() * (1 + 1e-12)) return cuts;
  if (!first.empty() && is_better(load_of(chain, first), load)) cuts = std::move(first);
  return search_devices(chain, bound, std::move(cuts));
}

std::vector<int> balanced(const sdk::PartitionRequest& request) {
  const Chain chain(request);
  check_enough_pieces(chain.cuts, request.stages());
  return stages_of(balanced_cuts(chain));
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("balanced",
                            "Contiguous in graph order, the least load of the busiest device.",
                            headrace::partitioners::balanced)
