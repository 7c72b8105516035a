#include "cli/remembered_partitions.h"

#include <algorithm>

#include "graph/error.h"

namespace headrace {

PartitionAnswer RememberedPartitions::solve(const PartitionProblem& problem) const {
  if (problem.simulate) return strategy_->solve(problem);
  const bool limited = std::ranges::any_of(
      problem.devices, [](const PartitionDevice& device) { return device.memory_bytes > 0; });
  const bool keeps = std::ranges::any_of(
      problem.nodes, [](const PartitionNode& node) { return node.activation_bytes > 0; });
  const Key key{problem.microbatches, problem.device_of_stage, limited && keeps,
                limited ? problem.in_flight_of_stage : std::vector<int>{}};
  auto it = answers_.find(key);
  if (it == answers_.end()) {
    Answer answer;
    try {
      answer.answer = strategy_->solve(problem);
    } catch (const Error& error) {
      answer.refused = error.what();
    }
    it = answers_.emplace(key, std::move(answer)).first;
  }
  if (!it->second.refused.empty()) throw Error("{}", it->second.refused);
  return it->second.answer;
}

}  // namespace headrace
