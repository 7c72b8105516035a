// All stages of a looped pipeline at once: each device's sum over its loops, the largest stage of
// every round, and the stage by which the pipeline fills and drains. balanced_cuts.h tells of what
// exactly; `balanced` gives the same answer where devices have several stages.

#include <stdexcept>

#include "plugins/partitioners/balanced_cuts.h"

namespace headrace::partitioners {
namespace {

std::vector<int> looped(const sdk::PartitionRequest& request) {
  if (request.stages() == request.devices())
    throw std::invalid_argument("is for several stages per device; use balanced, or more of them");
  return stages_of(balanced_cuts(Chain(request)));
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("looped",
                            "Contiguous in graph order, several stages per device: the shortest "
                            "step of a looped pipeline.",
                            headrace::partitioners::looped)
