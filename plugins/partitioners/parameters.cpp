// Equal bytes of parameters, with their gradients and optimizer state, contiguous in graph order,
// whatever they cost to compute: what one does by hand where weights fill the devices. With several
// stages per device the stages are made equal, and so are the devices.

#include <cstdint>

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {
namespace {

std::vector<int> parameters(const sdk::PartitionRequest& r) {
  const std::vector<int> allowed = allowed_cuts(r);
  check_enough_pieces(allowed, r.stages());
  std::vector<int64_t> before{0};
  for (size_t c = 1; c < allowed.size(); ++c) {
    before.push_back(before.back());
    for (int node = allowed[c - 1]; node < allowed[c]; ++node)
      before.back() += r.parameter_bytes(node);
  }
  return stages_of(cuts_at_shares(allowed, before, r.stages()));
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("parameters", "Equal bytes of parameters, contiguous in graph order.",
                            headrace::partitioners::parameters)
