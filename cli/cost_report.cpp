#include "cli/cost_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/quantity.h"
#include "cli/text_table.h"
#include "partitioner/cost_comparison.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

std::string name_of(const Node& node) { return node.name.empty() ? node.op : node.name; }

std::vector<CostComparison> compared(const PreparedModel& model, const PlanCosts& costs) {
  return compare_costs(model.training.graph, costs.node_seconds, costs.analytic_seconds);
}

// A forward node and what stays with it.
struct Unit {
  std::string name = {}, op = {};
  StageCost cost = {};
  std::optional<int64_t> workspace_bytes = {};  // the largest of its kernels, where measured
};

std::vector<Unit> units_of(const PreparedModel& model, const PreparedPlan& plan,
                           const PlanCosts& costs, const RunConfig& run) {
  const Graph& graph = model.training.graph;
  const auto cost = unit_costs(model, run, plan.node_seconds);
  const auto unit_of = unit_of_node(graph);
  std::vector<Unit> units;
  for (const Node& node : graph.nodes())
    if (node.phase == Phase::forward)
      units.push_back({.name = name_of(node), .op = node.op, .cost = cost[units.size()]});
  if (costs.table.nodes.empty()) return units;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    auto& workspace = units[static_cast<size_t>(unit_of[n])].workspace_bytes;
    if (const NodeCost* measured = costs.table.find(graph, graph.nodes()[n]))
      workspace = std::max(workspace.value_or(0), measured->workspace_bytes);
  }
  return units;
}

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1e3 * seconds); }
std::string bytes(int64_t count) { return show_bytes(static_cast<double>(count)); }

}  // namespace

std::string cost_comparison_text(const PreparedModel& model, const PlanCosts& costs) {
  TextTable table({{"operator"},
                   {"nodes", Align::right},
                   {"measured", Align::right},
                   {"analytic", Align::right},
                   {"ratio", Align::right},
                   {"worst", Align::right},
                   {"at"}});
  for (const CostComparison& row : compared(model, costs))
    table.add({row.op, fmt::format("{}", row.nodes), show_seconds(row.measured_s),
               show_seconds(row.analytic_s), fmt::format("{:.2f}", row.ratio),
               fmt::format("{:.2f}", row.worst),
               name_of(model.training.graph.node(row.worst_node))});
  return fmt::format("costs of {}: {} forms of {} nodes, {} measured now, {} nodes estimated\n{}",
                     costs.rates.machine, costs.table.nodes.size(), costs.node_seconds.size(),
                     costs.measured, costs.estimated, table.text());
}

ordered_json cost_comparison_json(const PreparedModel& model, const PlanCosts& costs) {
  ordered_json rows = ordered_json::array();
  for (const CostComparison& row : compared(model, costs))
    rows.push_back({{"operator", row.op},
                    {"nodes", row.nodes},
                    {"measured_s", row.measured_s},
                    {"analytic_s", row.analytic_s},
                    {"ratio", row.ratio},
                    {"worst", row.worst},
                    {"worst_node", name_of(model.training.graph.node(row.worst_node))}});
  return {{"machine", costs.rates.machine},
          {"measured_now", costs.measured},
          {"estimated_nodes", costs.estimated},
          {"operators", std::move(rows)}};
}

std::string node_costs_text(const PreparedModel& model, const PreparedPlan& plan,
                            const PlanCosts& costs, const RunConfig& run) {
  TextTable table({{"node"},
                   {"operator"},
                   {"F ms", Align::right},
                   {"I ms", Align::right},
                   {"W ms", Align::right},
                   {"parameters", Align::right},
                   {"gradients", Align::right},
                   {"optimizer", Align::right},
                   {"F to I", Align::right},
                   {"I to W", Align::right},
                   {"workspace", Align::right}});
  for (const Unit& unit : units_of(model, plan, costs, run))
    table.add({unit.name, unit.op, milliseconds(unit.cost.forward_s),
               milliseconds(unit.cost.backward_input_s), milliseconds(unit.cost.backward_weight_s),
               bytes(unit.cost.parameter_bytes), bytes(unit.cost.gradient_bytes),
               bytes(unit.cost.optimizer_bytes), bytes(unit.cost.activation_bytes),
               bytes(unit.cost.weight_stash_bytes),
               unit.workspace_bytes ? bytes(*unit.workspace_bytes) : "-"});
  return table.text();
}

ordered_json cost_json(const StageCost& cost) {
  return {{"forward_s", cost.forward_s},
          {"backward_input_s", cost.backward_input_s},
          {"backward_weight_s", cost.backward_weight_s},
          {"parameter_bytes", cost.parameter_bytes},
          {"gradient_bytes", cost.gradient_bytes},
          {"optimizer_bytes", cost.optimizer_bytes},
          {"activation_bytes", cost.activation_bytes},
          {"weight_stash_bytes", cost.weight_stash_bytes}};
}

ordered_json node_costs_json(const PreparedModel& model, const PreparedPlan& plan,
                             const PlanCosts& costs, const RunConfig& run) {
  ordered_json rows = ordered_json::array();
  for (const Unit& unit : units_of(model, plan, costs, run)) {
    ordered_json& row = rows.emplace_back(ordered_json{{"name", unit.name}, {"operator", unit.op}});
    row.update(cost_json(unit.cost));
    if (unit.workspace_bytes) row["workspace_bytes"] = *unit.workspace_bytes;
  }
  return rows;
}

}  // namespace headrace
