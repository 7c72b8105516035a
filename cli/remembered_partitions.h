#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "partitioner/strategy.h"

namespace headrace {

// A strategy that is asked the same again and again, by one scheduler after another: what it
// answered, or why it refused, is kept. For problems of one model, whose micro-batches tell its
// sizes apart, on the same devices. Problems with a simulation of cuts always go to the strategy.
class RememberedPartitions final : public PartitionStrategy {
 public:
  explicit RememberedPartitions(std::unique_ptr<PartitionStrategy> strategy)
      : strategy_(std::move(strategy)) {}

  const std::string& name() const override { return strategy_->name(); }
  PartitionAnswer solve(const PartitionProblem& problem) const override;

 private:
  // Micro-batches, the devices of the stages and, where memory counts, whether activations are kept
  // and of how many micro-batches.
  using Key = std::tuple<int, std::vector<int>, bool, std::vector<int>>;
  struct Answer {
    PartitionAnswer answer = {};
    std::string refused = {};
  };

  std::unique_ptr<PartitionStrategy> strategy_;
  mutable std::map<Key, Answer> answers_;
};

}  // namespace headrace
