#include "cli/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/report_drawing.h"
#include "cli/report_page.h"
#include "cli/report_runs.h"
#include "cli/time_shares.h"

namespace headrace {
namespace {

std::string summary_table(std::span<const ReportedRun> runs) {
  std::string html =
      "<table><tr><th>schedule</th><th>step</th><th>makespan</th><th>span</th>"
      "<th>bubble<br>of makespan</th><th>bubble<br>of span</th><th>largest peak<br>memory</th>"
      "<th>warm-up</th><th>waiting<br>for data</th><th>for a link</th><th>for parameters</th>"
      "<th>drain</th></tr>\n";
  const bool compared = runs.size() > 1 && std::ranges::none_of(runs, &ReportedRun::measured);
  double best = runs.empty() ? 0 : runs.front().simulation.step_s;
  for (const ReportedRun& run : runs) best = std::min(best, run.simulation.step_s);
  for (const ReportedRun& run : runs) {
    const Simulation& s = run.simulation;
    html += fmt::format(
        "<tr><td>{}</td><td{}>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
        escape_html(run.name), s.step_s == best && compared ? " class=\"best\"" : "",
        show_seconds(s.step_s), show_seconds(s.makespan_s), show_seconds(s.span_s),
        show_percent(s.bubble_makespan), show_percent(s.bubble_span),
        show_bytes(static_cast<double>(largest_peak(s))));
    const TimeShares means = mean_shares(s);
    for (size_t cause = 1; cause < means.size(); ++cause)
      html += fmt::format("<td>{}</td>",
                          means[cause].seconds > 0 ? show_seconds(means[cause].seconds) : "–");
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string section_of(const ReportedRun& run, const Axes& axes) {
  const Simulation& s = run.simulation;
  std::string html = fmt::format(
      "<section>\n<h2>{}</h2>\n<p>{}step {}, bubble {} of the makespan, {} of the span</p>\n",
      escape_html(run.name), run.measured ? "measured: " : "", show_seconds(s.step_s),
      show_percent(s.bubble_makespan), show_percent(s.bubble_span));
  return html + run_drawings(run, axes) + "</section>\n";
}

}  // namespace

std::vector<int> loops_of(const StagePlan& plan) {
  std::vector<int> loops, stages(static_cast<size_t>(plan.devices()));
  for (const int device : plan.device) loops.push_back(stages[device]++);
  return loops;
}

ReportedRun reported_run(std::string name, const Simulation& simulation, const StagePlan& plan,
                         const DataParallel& data_parallel) {
  ReportedRun run{.name = std::move(name), .simulation = simulation};
  run.loop_of_stage = loops_of(plan);
  for (size_t d = 0; d < simulation.timeline.size(); ++d)
    run.memory.push_back(
        memory_curve(simulation.timeline[d], static_cast<int>(d), plan, data_parallel));
  return run;
}

void write_report(const std::string& path, const std::string& title,
                  std::span<const ReportedRun> runs, std::span<const double> losses) {
  const Axes axes = axes_of(runs);
  const bool measured = std::ranges::any_of(runs, &ReportedRun::measured);
  std::string body = fmt::format(
      "<h1>{}</h1>\n<p>{} All schedules on the same axes; point at an "
      "action or a moment for its figures. Idle times are means over the "
      "devices.</p>\n",
      escape_html(title),
      measured ? "The last step as it was measured, beside its simulation." : "Simulated.");
  body += summary_table(runs);
  body += run_legend();
  if (!losses.empty()) body += "<h3>Loss of each step</h3>\n" + loss_svg(losses);
  nlohmann::json json = nlohmann::json::array();
  for (const ReportedRun& run : runs) {
    body += section_of(run, axes);
    json.push_back(run_json(run, axes));
  }
  write_page(path, title, body, json);
}

}  // namespace headrace
