#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/drawn_schedule.h"
#include "cli/json_output.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#include "cli/time_shares.h"
#include "cli/timeline_text.h"
#include "executor/trace.h"
#include "graph/error.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const DrawnSchedule& drawn, const Settings& settings) {
  if (!drawn.refused.empty()) return {{"scheduler", drawn.name}, {"refused", drawn.refused}};
  const ScheduleFigures& figures = drawn.figures;
  const Simulation& simulation = drawn.simulation;
  ordered_json json = {{"scheduler", drawn.name},
                       {"devices", drawn.schedule.devices.size()},
                       {"stages", drawn.schedule.stages},
                       {"microbatches", drawn.schedule.microbatches},
                       {"device_of_stage", drawn.schedule.device_of_stage},
                       {"makespan", figures.makespan},
                       {"span", figures.span},
                       {"bubble_makespan", figures.bubble(figures.makespan)},
                       {"bubble_span", figures.bubble(figures.span)},
                       {"busy", figures.busy},
                       {"peak_activations", simulation.peak_activations},
                       {"peak_weight_stash", simulation.peak_weight_stash}};
  if (!settings.schedule.unit_steps) {
    json["step"] = simulation.step_s;
    json["idle"] = idle_json(simulation);
    ordered_json bytes = ordered_json::array(), times = ordered_json::array();
    for (const MemoryPeak& peak : simulation.peak_memory) {
      bytes.push_back(peak.bytes);
      times.push_back(peak.time_s);
    }
    json["peak_bytes"] = std::move(bytes);
    json["peak_time"] = std::move(times);
  }
  if (settings.actions) json["actions"] = drawn.rows;
  return json;
}

void report_json(const std::vector<DrawnSchedule>& all, const Settings& settings) {
  if (all.size() == 1) return print_json(to_json(all[0], settings));
  ordered_json json = {{"schedules", ordered_json::array()}};
  for (const DrawnSchedule& drawn : all) json["schedules"].push_back(to_json(drawn, settings));
  print_json(json);
}

std::string step_grid(const ActionRows& rows) {
  size_t steps = 0;
  for (const auto& row : rows) steps = std::max(steps, row.size());
  std::vector<TextTable::Column> columns = {{"step"}};
  for (size_t step = 0; step < steps; ++step) columns.push_back({fmt::format("{}", step)});
  TextTable table(std::move(columns));
  for (size_t d = 0; d < rows.size(); ++d) {
    std::vector<std::string> cells = {fmt::format("device {} |", d)};
    for (const std::string& cell : rows[d]) cells.push_back(cell.empty() ? "." : cell);
    cells.resize(steps + 1);
    table.add(std::move(cells));
  }
  return table.text();
}

// In proportion to time where a terminal shows it, up to `end_s`; else turn by turn.
std::string drawing_of(const DrawnSchedule& drawn, double end_s, const Settings& settings) {
  const ScheduleSettings& asked = settings.schedule;
  const size_t columns = settings.actions ? kUnlimited : output_columns();
  if (columns != kUnlimited && columns >= kLeastTimeline && !asked.unit_steps && !asked.lower)
    return timeline_text(drawn.simulation, loops_of(drawn.plan), columns, output_in_colour(),
                         end_s);
  return clip_lines(asked.unit_steps ? step_grid(drawn.rows)
                                     : to_grid(asked.lower ? drawn.lowered : drawn.schedule),
                    columns);
}

std::string time_text(double time, const Settings& settings) {
  return settings.schedule.unit_steps ? fmt::format("{} steps", time) : show_seconds(time);
}

std::string bytes_text(int64_t bytes) { return show_bytes(static_cast<double>(bytes)); }

// A row per device.
std::string device_table(const DrawnSchedule& drawn, const Settings& settings) {
  const Simulation& simulation = drawn.simulation;
  const ScheduleFigures& figures = drawn.figures;
  const bool steps = settings.schedule.unit_steps, bytes = largest_peak(simulation) > 0;
  const TimeShares means = mean_shares(simulation);
  std::vector<TextTable::Column> columns = {
      {"device", Align::right}, {"busy", Align::right}, {"idle", Align::right}};
  for (size_t cause = 1; cause < means.size() && !steps; ++cause)
    if (means[cause].seconds > 0) columns.push_back({means[cause].name, Align::right});
  columns.push_back({"peak activations", Align::right});
  columns.push_back({"waiting for W", Align::right});
  if (bytes) columns.push_back({"peak memory", Align::right});
  TextTable table(std::move(columns));
  for (size_t d = 0; d < figures.busy.size(); ++d) {
    std::vector<std::string> cells = {
        fmt::format("{}", d), time_text(figures.busy[d], settings),
        show_percent(figures.makespan > 0 ? 1 - figures.busy[d] / figures.makespan : 0)};
    const TimeShares shares = shares_of(simulation, d);
    for (size_t cause = 1; cause < means.size() && !steps; ++cause)
      if (means[cause].seconds > 0) cells.push_back(show_seconds(shares[cause].seconds));
    cells.push_back(fmt::format("{}", simulation.peak_activations[d]));
    cells.push_back(fmt::format("{}", simulation.peak_weight_stash[d]));
    if (bytes)
      cells.push_back(fmt::format("{} at {}", bytes_text(simulation.peak_memory[d].bytes),
                                  show_seconds(simulation.peak_memory[d].time_s)));
    table.add(std::move(cells));
  }
  return table.text();
}

// A row per schedule; times and causes are means over the devices, peaks the largest of any.
std::string comparison_table(const std::vector<DrawnSchedule>& all, const Settings& settings) {
  const bool steps = settings.schedule.unit_steps;
  TimeShares longest = {};
  int64_t bytes = 0;
  for (const DrawnSchedule& drawn : all) {
    const TimeShares means = mean_shares(drawn.simulation);
    for (size_t cause = 0; cause < means.size(); ++cause)
      if (longest[cause].seconds <= means[cause].seconds) longest[cause] = means[cause];
    bytes = std::max(bytes, largest_peak(drawn.simulation));
  }
  std::vector<TextTable::Column> columns = {{"schedule"},
                                            {"stages", Align::right},
                                            {"makespan", Align::right},
                                            {"bubble", Align::right},
                                            {"span", Align::right},
                                            {"bubble", Align::right},
                                            {"busy", Align::right}};
  for (size_t cause = 1; cause < longest.size() && !steps; ++cause)
    if (longest[cause].seconds > 0) columns.push_back({longest[cause].name, Align::right});
  columns.push_back({"peak activations", Align::right});
  columns.push_back({"waiting for W", Align::right});
  if (bytes > 0) columns.push_back({"peak memory", Align::right});
  TextTable table(std::move(columns));
  for (const DrawnSchedule& drawn : all) {
    if (!drawn.refused.empty()) continue;
    const ScheduleFigures& figures = drawn.figures;
    double busy = 0;
    for (const double each : figures.busy) busy += each / static_cast<double>(figures.busy.size());
    std::vector<std::string> cells = {drawn.name,
                                      fmt::format("{}", drawn.schedule.stages),
                                      time_text(figures.makespan, settings),
                                      show_percent(figures.bubble(figures.makespan)),
                                      time_text(figures.span, settings),
                                      show_percent(figures.bubble(figures.span)),
                                      time_text(busy, settings)};
    const TimeShares means = mean_shares(drawn.simulation);
    for (size_t cause = 1; cause < longest.size() && !steps; ++cause)
      if (longest[cause].seconds > 0) cells.push_back(show_seconds(means[cause].seconds));
    cells.push_back(fmt::format("{}", std::ranges::max(drawn.simulation.peak_activations)));
    cells.push_back(fmt::format("{}", std::ranges::max(drawn.simulation.peak_weight_stash)));
    if (bytes > 0) cells.push_back(bytes_text(largest_peak(drawn.simulation)));
    table.add(std::move(cells));
  }
  return table.text();
}

void report_text(const std::vector<DrawnSchedule>& all, const Settings& settings) {
  double end_s = 0;
  for (const DrawnSchedule& drawn : all) end_s = std::max(end_s, drawn.simulation.step_s);
  for (const DrawnSchedule& drawn : all) {
    if (!drawn.refused.empty()) continue;
    fmt::print("schedule {}: {} devices, {} stages, {} micro-batches\n", drawn.name,
               drawn.schedule.devices.size(), drawn.schedule.stages, drawn.schedule.microbatches);
    fmt::print("{}\n", drawing_of(drawn, end_s, settings));
  }
  if (all.size() == 1) {
    const ScheduleFigures& figures = all[0].figures;
    fmt::print("{}\nmakespan {}, bubble {}; longest span of a device {}, bubble {}\n",
               device_table(all[0], settings), time_text(figures.makespan, settings),
               show_percent(figures.bubble(figures.makespan)), time_text(figures.span, settings),
               show_percent(figures.bubble(figures.span)));
    return;
  }
  fmt::print("{}", comparison_table(all, settings));
  for (const DrawnSchedule& drawn : all)
    if (!drawn.refused.empty()) fmt::print("{}: {}\n", drawn.name, drawn.refused);
}

void write_csv(const Schedule& schedule, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << to_csv(schedule) << std::flush;
  if (!file) throw RunError("cannot write {}", path);
}

void write_pictures(const std::vector<DrawnSchedule>& all, const Settings& settings) {
  std::vector<ReportedRun> runs;
  for (const DrawnSchedule& drawn : all)
    if (drawn.refused.empty())
      runs.push_back(reported_run(drawn.name, drawn.simulation, drawn.plan,
                                  drawn.cluster.machine.data_parallel));
  if (!settings.train.trace.empty()) {
    std::vector<Timeline> timelines;
    for (const ReportedRun& run : runs)
      timelines.push_back(simulated_timeline(run.name, run.simulation));
    write_trace(settings.train.trace, timelines);
  }
  if (settings.report.empty()) return;
  const auto drawn = std::ranges::find(all, "", &DrawnSchedule::refused);
  write_report(settings.report,
               fmt::format("{} devices, {} micro-batches", drawn->schedule.devices.size(),
                           drawn->schedule.microbatches),
               runs);
}

}  // namespace

void schedule_command(const Settings& settings) {
  const std::vector<DrawnSchedule> all = draw_schedules(settings);
  if (!settings.schedule.output.empty()) {
    if (all.size() > 1)
      throw Error("--output {}: holds one schedule, {} were asked for", settings.schedule.output,
                  all.size());
    write_csv(settings.schedule.lower ? all[0].lowered : all[0].schedule, settings.schedule.output);
  }
  if (!settings.train.trace.empty() || !settings.report.empty()) write_pictures(all, settings);
  settings.json ? report_json(all, settings) : report_text(all, settings);
}

}  // namespace headrace
