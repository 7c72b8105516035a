// Equal numbers of nodes, contiguous in graph order, whatever they cost: every cut stands at the
// allowed place nearest to its share. A cut never splits a group of colocated nodes.

#include <algorithm>
#include <cstdint>

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {
namespace {

std::vector<int> uniform(const sdk::PartitionRequest& r) {
  const std::vector<int> allowed = allowed_cuts(r);
  check_enough_pieces(allowed, r.stages());
  std::vector<int> cuts{0};
  size_t first = 1;  // the least index into `allowed` that leaves no stage empty
  for (int stage = 1; stage < r.stages(); ++stage, ++first) {
    const size_t last = allowed.size() - 1 - static_cast<size_t>(r.stages() - stage);
    const int64_t share = int64_t{r.nodes()} * stage;  // over stages
    const auto miss = [&](size_t i) { return std::abs(int64_t{allowed[i]} * r.stages() - share); };
    while (first < last && miss(first + 1) < miss(first)) ++first;
    cuts.push_back(allowed[first]);
  }
  cuts.push_back(r.nodes());
  return stages_of(cuts);
}

}  // namespace
}  // namespace headrace::partitioners

HEADRACE_DEFINE_PARTITIONER("uniform", "Equal numbers of nodes, contiguous in graph order.",
                            headrace::partitioners::uniform)
