// The best contiguous stages in graph order: balanced_cuts.h tells of what exactly.

#include "plugins/partitioners/balanced_cuts.h"

namespace headrace::partitioners {
namespace {

std::vector<int> balanced(const sdk::PartitionRequest& request) {
  return stages_of(balanced_cuts(Chain(request)));
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("balanced",
                            "Contiguous in graph order, the least load of the busiest device.",
                            headrace::partitioners::balanced)
