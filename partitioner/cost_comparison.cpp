#include "partitioner/cost_comparison.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "graph/error.h"

namespace headrace {

std::vector<CostComparison> compare_costs(const Graph& graph, const std::vector<double>& measured_s,
                                          const std::vector<double>& analytic_s) {
  HEADRACE_CHECK(measured_s.size() == graph.nodes().size());
  HEADRACE_CHECK(analytic_s.size() == graph.nodes().size());
  std::map<std::string, CostComparison> by_op;
  for (size_t n = 0; n < measured_s.size(); ++n) {
    if (measured_s[n] <= 0 || analytic_s[n] <= 0) continue;
    CostComparison& row =
        by_op.try_emplace(graph.nodes()[n].op, CostComparison{.ratio = 0}).first->second;
    const double ratio = measured_s[n] / analytic_s[n];
    ++row.nodes;
    row.measured_s += measured_s[n];
    row.analytic_s += analytic_s[n];
    row.ratio += std::log(ratio);
    if (row.worst_node == kNoNode || std::abs(std::log(ratio)) > std::abs(std::log(row.worst))) {
      row.worst = ratio;
      row.worst_node = static_cast<NodeId>(n);
    }
  }
  std::vector<CostComparison> rows;
  for (auto& [op, row] : by_op) {
    row.op = op;
    row.ratio = std::exp(row.ratio / static_cast<double>(row.nodes));  // logarithms so far
    rows.push_back(row);
  }
  std::ranges::stable_sort(rows, std::greater<>(), &CostComparison::measured_s);
  return rows;
}

}  // namespace headrace
