#include "cli/partition_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/load_bars.h"
#include "cli/partition_graph_drawing.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "cli/report_page.h"
#include "cli/report_runs.h"
#include "graph/error.h"

namespace headrace {
namespace {

constexpr size_t kMostDevices = 256;
constexpr int kMostStages = 300;

// A strategy's simulated step, or why there is none; one line.
struct Simulated {
  std::optional<ReportedRun> run = {};
  std::string none = {};
};

// None for a graph of costs.
Simulated simulate(const PartitionQuestion& question, const StrategyRow& row) {
  if (!question.model) return {};
  const PartitionedModel& of = *question.model;
  try {
    const PreparedPlan plan =
        plan_of_cut(of.model, of.run, *of.scheduler, row.answer.stage_of_node, of.costs);
    return {.run = reported_run(row.name, plan.simulation, plan.plan, of.costs.data_parallel)};
  } catch (const Error& error) {
    const std::string text = error.what();
    return {.none = text.substr(0, text.find('\n'))};
  }
}

std::string table_of(const PartitionQuestion& question, const std::vector<StrategyRow>& rows,
                     const std::vector<Simulated>& simulated, double bound_s) {
  std::string html =
      "<table><tr><th>strategy</th><th>bottleneck</th><th>to the bound</th><th></th>"
      "<th>crosses<br>devices</th><th>transfers</th><th>largest<br>memory</th>"
      "<th>solved in</th>";
  if (question.model) html += "<th>simulated<br>step</th>";
  html += "</tr>\n";
  double least = rows.front().score.bottleneck_s, shortest = 0;
  for (const Simulated& each : simulated)
    if (each.run && (shortest == 0 || each.run->simulation.step_s < shortest))
      shortest = each.run->simulation.step_s;
  for (size_t r = 0; r < simulated.size(); ++r) {
    const StrategyRow& row = rows[r];
    html += fmt::format(
        "<tr><td>{}</td><td{}>{}</td><td>{:.4f}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td>",
        escape_html(row.name), row.score.bottleneck_s <= least * kRounding ? " class=\"best\"" : "",
        show_seconds(row.score.bottleneck_s), bound_s > 0 ? row.score.bottleneck_s / bound_s : 1,
        is_optimal(row, bound_s) ? "optimal" : "",
        show_bytes(static_cast<double>(row.score.cut_bytes)), show_seconds(row.score.cut_s),
        show_bytes(static_cast<double>(std::ranges::max(row.score.device_bytes))),
        show_seconds(row.solve_s));
    if (question.model && simulated[r].run) {
      const double step_s = simulated[r].run->simulation.step_s;
      html += fmt::format("<td{}>{}</td>", step_s <= shortest * kRounding ? " class=\"best\"" : "",
                          show_seconds(step_s));
    } else if (question.model) {
      html += "<td>–</td>";
    }
    html += "</tr>\n";
  }
  html += "</table>\n";
  for (size_t r = simulated.size(); r < rows.size(); ++r)
    html += fmt::format("<p class=\"refused\">{}: {}</p>\n", escape_html(rows[r].name),
                        escape_html(rows[r].refused));
  return html;
}

std::string title_of(const PartitionQuestion& question) {
  return std::filesystem::path(question.source).filename().string() + ": " + question.size;
}

std::string heading_of(const PartitionQuestion& question, double bound_s) {
  const PartitionProblem& problem = question.problem;
  std::string html = fmt::format(
      "<h1>{}</h1>\n<p>{} devices, {} stages{}. A device's load is what it computes and transfers "
      "for one {}; the largest is the bottleneck, and no partition has one of less than {}. Point "
      "at a bar, a node or an action for its figures.</p>\n",
      escape_html(title_of(question)), problem.devices.size(), problem.stages(),
      problem.contiguous ? "" : ", contiguous or not",
      question.model ? "micro-batch" : "pass over the graph", show_seconds(bound_s));
  if (!question.model)
    html +=
        "<p>A graph of costs has no micro-batches and no scheduler: no step is simulated.</p>\n";
  return html;
}

}  // namespace

void check_partition_drawable(const PartitionProblem& problem) {
  if (problem.devices.size() > kMostDevices || problem.stages() > kMostStages)
    throw Error("--report: {} devices and {} stages are more than a page can show ({} and {})",
                problem.devices.size(), problem.stages(), kMostDevices, kMostStages);
}

void write_partition_report(const std::string& path, const PartitionQuestion& question,
                            const std::vector<StrategyRow>& rows, double bound_s,
                            const Graphviz& graphviz) {
  std::vector<Simulated> simulated;
  std::vector<ReportedRun> runs;
  for (const StrategyRow& row : rows) {
    if (!row.refused.empty()) break;
    simulated.push_back(simulate(question, row));
    if (simulated.back().run) runs.push_back(*simulated.back().run);
  }
  const Axes axes = axes_of(runs);
  const LoadBars bars(question.problem, rows, bound_s);
  const PartitionGraphDrawing graph(question, rows, graphviz);

  std::string body = heading_of(question, bound_s);
  body += table_of(question, rows, simulated, bound_s) + bars.legend();
  if (!runs.empty()) body += run_legend();
  nlohmann::json json = nlohmann::json::array();
  for (size_t r = 0; r < simulated.size(); ++r) {
    const StrategyRow& row = rows[r];
    body += fmt::format(
        "<section>\n<h2>{}</h2>\n<h3>Load of each device{}</h3>\n{}", escape_html(row.name),
        question.model ? ", by operator with its gradients" : ", by phase", bars.html(row));
    body += "<h3>The graph, in the colours of the devices</h3>\n" + graph.html(row);
    if (simulated[r].run) {
      const Simulation& step = simulated[r].run->simulation;
      body += fmt::format("<h3>The step under {}, simulated: {}, bubble {} of the makespan</h3>\n",
                          escape_html(question.model->scheduler->name()), show_seconds(step.step_s),
                          show_percent(step.bubble_makespan)) +
              run_drawings(*simulated[r].run, axes);
      json.push_back(run_json(*simulated[r].run, axes));
    } else {
      if (question.model)
        body += fmt::format("<h3>No step is simulated</h3>\n<p>{}</p>\n",
                            escape_html(simulated[r].none));
      json.push_back(nlohmann::json::object());
    }
    body += "</section>\n";
  }
  write_page(path, title_of(question), body, json);
}

}  // namespace headrace
