#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/session.h"
#include "partitioner/strategy.h"
#include "scheduler/scheduler.h"

namespace headrace {

// What plans of a model's cuts are made with.
struct PartitionedModel {
  RunConfig run;
  std::unique_ptr<const Scheduler> scheduler;
  PreparedModel model;
  PlanCosts costs;
};

// What is to be partitioned, of a model or of costs.
struct PartitionQuestion {
  std::string source = {};  // the file
  std::string size = {};    // in words
  PartitionProblem problem = {};
  std::vector<std::string> nodes = {};  // by name
  std::vector<int> unit_of_node = {};   // which of the problem's nodes each is part of
  // Whose forward nodes the problem's are; null for a graph of costs.
  std::unique_ptr<const PartitionedModel> model = {};
};

// One strategy's answer.
struct StrategyRow {
  std::string name = {};
  std::string refused = {};  // why there is none; one line
  PartitionAnswer answer = {};
  PartitionScore score = {};
  double solve_s = 0;
};

// Sums of the same seconds in another order differ by less than this.
inline constexpr double kRounding = 1 + 1e-9;

inline bool is_optimal(const StrategyRow& row, double bound_s) {
  return row.score.bottleneck_s <= bound_s * kRounding;
}

}  // namespace headrace
