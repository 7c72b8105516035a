#include "cli/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/report_drawing.h"
#include "cli/report_page.h"
#include "cli/time_shares.h"
#include "graph/error.h"
#include "loader/atomic_file.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr size_t kMostActions = 200'000;  // a browser draws that in seconds

double total_of(const TimeShares& shares) {
  double total = 0;
  for (const TimeShare& share : shares) total += share.seconds;
  return total;
}

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

std::string legend(const std::vector<std::pair<const char*, const char*>>& entries) {
  std::string html = "<div class=\"legend\">";
  for (const auto& [colour, text] : entries)
    html += fmt::format("<span><i style=\"--c:{}\"></i>{}</span>", colour, text);
  return html + "</div>\n";
}

std::string idle_bars(const Simulation& simulation) {
  std::string html = "<div class=\"bars\">\n";
  for (size_t d = 0; d < simulation.busy_s.size(); ++d) {
    const auto shares = shares_of(simulation, d);
    const double total = total_of(shares);
    html += fmt::format("<div>device {}</div><div class=\"bar\">", d);
    for (const TimeShare& share : shares)
      if (share.seconds > 0)
        html +=
            fmt::format("<span class=\"{}\" style=\"width:{:.3f}%\" title=\"{}: {}, {}\"></span>",
                        share.css, 100 * share.seconds / total, share.name,
                        show_seconds(share.seconds), show_percent(share.seconds / total));
    html += "</div>\n";
  }
  return html + "</div>\n";
}

std::string memory_legend(const ReportedRun& run) {
  std::string html = "<div class=\"legend\">";
  for (size_t d = 0; d < run.memory.size(); ++d) {
    const MemoryPeak& peak = run.simulation.peak_memory[d];
    html += fmt::format(
        "<span class=\"d{}\"><i style=\"--c:var(--d)\"></i>device {}: {} at {}{}</span>", d % 8, d,
        show_bytes(static_cast<double>(peak.bytes)), show_seconds(peak.time_s),
        d < run.allocated_bytes.size()
            ? fmt::format(", {} allocated", show_bytes(static_cast<double>(run.allocated_bytes[d])))
            : "");
  }
  return html + "</div>\n";
}

std::string section_of(const ReportedRun& run, const Axes& axes) {
  const Simulation& s = run.simulation;
  std::string html = fmt::format(
      "<section>\n<h2>{}</h2>\n<p>{}step {}, bubble {} of the makespan, {} of the span</p>\n",
      escape_html(run.name), run.measured ? "measured: " : "", show_seconds(s.step_s),
      show_percent(s.bubble_makespan), show_percent(s.bubble_span));
  html += timeline_svg(run, axes);
  html += "<h3>Where each device's time goes, to the end of the last action</h3>\n" + idle_bars(s);
  // A schedule by itself knows no bytes.
  if (largest_peak(s) > 0)
    html += fmt::format("<h3>Memory held by each device{}</h3>\n",
                        run.measured ? ", by the plan's bytes at the measured times" : "") +
            memory_svg(run, axes) + memory_legend(run);
  return html + "</section>\n";
}

nlohmann::json json_of(const ReportedRun& run, const Axes& axes) {
  nlohmann::json devices = nlohmann::json::array(), memory = nlohmann::json::array();
  for (size_t d = 0; d < run.simulation.timeline.size(); ++d) {
    nlohmann::json row = nlohmann::json::array();
    for (const ActionTime& time : run.simulation.timeline[d])
      row.push_back({to_string(time.action), time.start_s, time.end_s});
    const ActionTime& update = run.simulation.update[d];
    row.push_back({"update", update.start_s, update.end_s});
    devices.push_back(std::move(row));
    nlohmann::json curve = nlohmann::json::array();
    for (const MemoryPoint& p : run.memory[d])
      curve.push_back(
          {p.time_s, p.activations, p.weight_stash, p.parameters, p.gradients, p.optimizer});
    memory.push_back(std::move(curve));
  }
  return {{"name", run.name},
          {"step_s", run.simulation.step_s},
          {"end_s", axes.end_s},
          {"left", axes.x(0)},
          {"right", axes.x(axes.end_s)},
          {"devices", std::move(devices)},
          {"memory", std::move(memory)}};
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

size_t actions_in(const Simulation& simulation) {
  size_t actions = 0;
  for (const auto& device : simulation.timeline) actions += device.size();
  return actions;
}

void check_drawable(size_t actions) {
  if (actions > kMostActions)
    throw Error(
        "--report: {} actions are more than a page can show ({}); use --trace or fewer "
        "micro-batches",
        actions, kMostActions);
}

void write_report(const std::string& path, const std::string& title,
                  std::span<const ReportedRun> runs, std::span<const double> losses) {
  size_t actions = 0;
  Axes axes;
  for (const ReportedRun& run : runs) {
    actions += actions_in(run.simulation);
    axes.end_s = std::max(axes.end_s, run.simulation.step_s);
    axes.most_bytes = std::max(axes.most_bytes, largest_peak(run.simulation));
  }
  check_drawable(actions);
  const bool measured = std::ranges::any_of(runs, &ReportedRun::measured);
  std::string body = fmt::format(
      "<h1>{}</h1>\n<p>{} All schedules on the same axes; point at an "
      "action or a moment for its figures. Idle times are means over the "
      "devices.</p>\n",
      escape_html(title),
      measured ? "The last step as it was measured, beside its simulation." : "Simulated.");
  body += summary_table(runs);
  body += legend({{"var(--F)", "F forward (darker: later stages of the device)"},
                  {"var(--B)", "B backward"},
                  {"var(--I)", "I gradient of inputs"},
                  {"var(--W)", "W gradient of weights"},
                  {"var(--update)", "update"},
                  {"var(--send)", "send"},
                  {"var(--receive)", "receive"},
                  {"var(--gather)", "gather parameters"},
                  {"var(--reduce)", "reduce gradients"}});
  body += legend({{"var(--busy)", "busy"},
                  {"var(--warm-up)", "warm-up"},
                  {"var(--data)", "waiting for data"},
                  {"var(--link)", "waiting for a link"},
                  {"var(--gather)", "waiting for parameters"},
                  {"var(--drain)", "drain"}});
  if (!losses.empty()) body += "<h3>Loss of each step</h3>\n" + loss_svg(losses);
  nlohmann::json json = nlohmann::json::array();
  for (const ReportedRun& run : runs) {
    body += section_of(run, axes);
    json.push_back(json_of(run, axes));
  }
  AtomicFile file(path);
  file.write(report_page(title, body,
                         json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  file.commit();
}

}  // namespace headrace
