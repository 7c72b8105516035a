// Equal numbers of nodes, contiguous in graph order, whatever they cost. A cut never splits a group
// of colocated nodes.

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {
namespace {

std::vector<int> uniform(const sdk::PartitionRequest& r) {
  const std::vector<int> allowed = allowed_cuts(r);
  check_enough_pieces(allowed, r.stages());
  return stages_of(cuts_at_shares(allowed, {allowed.begin(), allowed.end()}, r.stages()));
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("uniform", "Equal numbers of nodes, contiguous in graph order.",
                            headrace::partitioners::uniform)
