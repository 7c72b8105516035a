#pragma once

#include <string>
#include <vector>

#include "cli/partition_answers.h"

namespace headrace {

// The load of every device as stacked bars, by kind of operator or, of a graph of costs, by phase;
// one scale for all strategies. Borrows the problem.
class LoadBars {
 public:
  LoadBars(const PartitionProblem& problem, const std::vector<StrategyRow>& rows, double bound_s);

  std::string legend() const;                      // HTML
  std::string html(const StrategyRow& row) const;  // of a row with an answer

 private:
  struct Kind {
    std::string name, css;  // css: what the element's style sets
  };

  void find_operators();
  std::vector<double> seconds_by_kind(const PartitionNode& node) const;

  const PartitionProblem& problem_;
  double bound_s_, longest_s_;
  std::vector<Kind> kinds_;
  std::vector<std::string> operators_;  // kinds by name; all others are in the next kind
};

}  // namespace headrace
