#include "cli/load_bars.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/quantity.h"
#include "cli/report_drawing.h"

namespace headrace {
namespace {

constexpr size_t kOperators = 9;  // as many as the page has colours for

}  // namespace

LoadBars::LoadBars(const PartitionProblem& problem, const std::vector<StrategyRow>& rows,
                   double bound_s)
    : problem_(problem), bound_s_(bound_s), longest_s_(bound_s) {
  for (const StrategyRow& row : rows)
    if (row.refused.empty()) longest_s_ = std::max(longest_s_, row.score.bottleneck_s);
  if (problem.costs_only)
    kinds_ = {{"forward", "--c:var(--F)"},
              {"gradient of inputs", "--c:var(--I)"},
              {"gradient of weights", "--c:var(--W)"}};
  else
    find_operators();
  kinds_.push_back({"transfers", "--c:var(--link)"});
}

// Those that take most, each with its backward nodes.
void LoadBars::find_operators() {
  std::map<std::string, double> seconds;
  for (const PartitionNode& node : problem_.nodes) seconds[node.op] += node.seconds();
  std::vector<std::pair<double, std::string>> longest;
  for (const auto& [op, sum] : seconds) longest.emplace_back(-sum, op);
  std::sort(longest.begin(), longest.end());
  for (const auto& [sum, op] : longest) {
    if (operators_.size() == kOperators) break;
    kinds_.push_back({op, fmt::format("--c:var(--k{})", operators_.size())});
    operators_.push_back(op);
  }
  kinds_.push_back({longest.size() > kOperators ? "others" : "", "--c:var(--k-other)"});
}

std::vector<double> LoadBars::seconds_by_kind(const PartitionNode& node) const {
  if (problem_.costs_only) return {node.forward_s, node.backward_input_s, node.backward_weight_s};
  std::vector<double> seconds(operators_.size() + 1);
  const auto found = std::find(operators_.begin(), operators_.end(), node.op);
  seconds[static_cast<size_t>(found - operators_.begin())] = node.seconds();
  return seconds;
}

std::string LoadBars::legend() const {
  std::string html = "<div class=\"legend\">";
  for (const Kind& kind : kinds_)
    if (!kind.name.empty())
      html += fmt::format("<span><i style=\"{}\"></i>{}</span>", kind.css, escape_html(kind.name));
  return html + "<span><i class=\"bound\"></i>the bound: no partition is better</span></div>\n";
}

std::string LoadBars::html(const StrategyRow& row) const {
  const size_t devices = problem_.devices.size();
  std::vector<std::vector<double>> loads(devices, std::vector<double>(kinds_.size()));
  for (size_t n = 0; n < problem_.nodes.size(); ++n) {
    const auto stage = static_cast<size_t>(row.answer.stage_of_node[n]);
    const auto device = static_cast<size_t>(problem_.device_of_stage[stage]);
    const auto seconds = seconds_by_kind(problem_.nodes[n]);
    for (size_t k = 0; k < seconds.size(); ++k)
      loads[device][k] += seconds[k] / problem_.devices[device].speed;
  }
  std::string html = "<div class=\"loads\">\n";
  for (size_t d = 0; d < devices; ++d) {
    // What a device is busy with beyond its nodes.
    double nodes_s = 0;
    for (const double seconds : loads[d]) nodes_s += seconds;
    loads[d].back() = std::max(0.0, row.score.device_s[d] - nodes_s);
    const bool longest = row.score.device_s[d] * kRounding >= row.score.bottleneck_s;
    html += fmt::format("<div>device {}</div><div class=\"load\">", d);
    for (size_t k = 0; k < kinds_.size(); ++k)
      if (loads[d][k] > 0)
        html += fmt::format("<span style=\"{};width:{:.3f}%\" title=\"{}: {}, {}\"></span>",
                            kinds_[k].css, 100 * loads[d][k] / longest_s_,
                            escape_html(kinds_[k].name), show_seconds(loads[d][k]),
                            show_percent(loads[d][k] / row.score.device_s[d]));
    html += fmt::format(
        "<i class=\"bound\" style=\"left:{:.3f}%\"></i></div><div{}>{}</div><div>{}</div>\n",
        longest_s_ > 0 ? 100 * bound_s_ / longest_s_ : 0, longest ? " class=\"most\"" : "",
        show_seconds(row.score.device_s[d]),
        show_bytes(static_cast<double>(row.score.device_bytes[d])));
  }
  return html + "</div>\n";
}

}  // namespace headrace
