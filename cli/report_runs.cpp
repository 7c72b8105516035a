#include "cli/report_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/time_shares.h"
#include "graph/error.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr size_t kMostActions = 200'000;  // a browser draws that in seconds

double total_of(const TimeShares& shares) {
  double total = 0;
  for (const TimeShare& share : shares) total += share.seconds;
  return total;
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

}  // namespace

std::string legend(const std::vector<std::pair<const char*, const char*>>& entries) {
  std::string html = "<div class=\"legend\">";
  for (const auto& [colour, text] : entries)
    html += fmt::format("<span><i style=\"--c:{}\"></i>{}</span>", colour, text);
  return html + "</div>\n";
}

std::string run_legend() {
  return legend({{"var(--F)", "F forward (darker: later stages of the device)"},
                 {"var(--B)", "B backward"},
                 {"var(--I)", "I gradient of inputs"},
                 {"var(--W)", "W gradient of weights"},
                 {"var(--update)", "update"},
                 {"var(--send)", "send"},
                 {"var(--receive)", "receive"},
                 {"var(--gather)", "gather parameters"},
                 {"var(--reduce)", "reduce gradients"}}) +
         legend({{"var(--busy)", "busy"},
                 {"var(--warm-up)", "warm-up"},
                 {"var(--data)", "waiting for data"},
                 {"var(--link)", "waiting for a link"},
                 {"var(--gather)", "waiting for parameters"},
                 {"var(--drain)", "drain"}});
}

Axes axes_of(std::span<const ReportedRun> runs) {
  size_t actions = 0;
  Axes axes;
  for (const ReportedRun& run : runs) {
    actions += actions_in(run.simulation);
    axes.end_s = std::max(axes.end_s, run.simulation.step_s);
    axes.most_bytes = std::max(axes.most_bytes, largest_peak(run.simulation));
  }
  check_drawable(actions);
  return axes;
}

std::string run_drawings(const ReportedRun& run, const Axes& axes) {
  std::string html = timeline_svg(run, axes);
  html += "<h3>Where each device's time goes, to the end of the last action</h3>\n" +
          idle_bars(run.simulation);
  // A schedule by itself knows no bytes.
  if (largest_peak(run.simulation) > 0)
    html += fmt::format("<h3>Memory held by each device{}</h3>\n",
                        run.measured ? ", by the plan's bytes at the measured times" : "") +
            memory_svg(run, axes) + memory_legend(run);
  return html;
}

nlohmann::json run_json(const ReportedRun& run, const Axes& axes) {
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

}  // namespace headrace
