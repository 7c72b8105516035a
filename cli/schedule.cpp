#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#include "cli/timeline_text.h"
#include "executor/trace.h"
#include "graph/error.h"
#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/simulate.h"
#include "scheduler/text.h"
#include "scheduler/unit_steps.h"
#include "scheduler/validate.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

constexpr int kDevices = 4, kStagesPerDevice = 1, kMicrobatches = 8;

// A schedule with what it was made for. The plan has stages and times, no model.
struct Drawn {
  std::string name;  // of the scheduler, or the file
  StagePlan plan;
  Schedule schedule;  // as it was made or read
  Schedule lowered;
};

// What is told of it, in seconds, or in steps with --unit-steps. The update of --optimizer-time
// counts as busy.
struct Figures {
  double makespan = 0, span = 0;
  std::vector<double> busy;
  std::vector<int> peak_activations, peak_weight_stash;

  double bubble(double time) const {
    return time > 0 ? (time - *std::max_element(busy.begin(), busy.end())) / time : 0;
  }
};

StageCost share_of_device(const std::string& text) {
  std::array<double, 3> times{};
  const char *at = text.data(), *end = at + text.size();
  for (size_t i = 0; i < times.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ',')) at = nullptr;
    const auto [stop, error] =
        at == nullptr ? std::from_chars_result{} : std::from_chars(at, end, times[i]);
    if (at == nullptr || error != std::errc() || !std::isfinite(times[i]) || times[i] < 0 ||
        (i + 1 == times.size() && stop != end))
      throw Error("--times: '{}' is not F,I,W: three numbers of seconds, 0 or more", text);
    at = stop;
  }
  return {.forward_s = times[0], .backward_input_s = times[1], .backward_weight_s = times[2]};
}

// Every device does its share of a micro-batch in equal parts, one per stage.
StagePlan plan_of(const std::vector<int>& device_of_stage, const ScheduleSettings& settings) {
  const StageCost share = share_of_device(settings.times);
  StagePlan plan = plan_for(device_of_stage, share);
  for (int stage = 0; stage < plan.stages(); ++stage) {
    const auto parts =
        static_cast<double>(std::count(plan.device.begin(), plan.device.end(), plan.device[stage]));
    plan.cost[stage].forward_s = share.forward_s / parts;
    plan.cost[stage].backward_input_s = share.backward_input_s / parts;
    plan.cost[stage].backward_weight_s = share.backward_weight_s / parts;
  }
  return plan;
}

void make_by_plugin(const Settings& settings, Drawn& drawn) {
  const ScheduleSettings& asked = settings.schedule;
  const auto scheduler = plugin_registry(settings).load_scheduler(
      asked.scheduler.empty() ? settings.scheduler : asked.scheduler, settings.scheduler_options);
  const auto devices = static_cast<int>(asked.devices.value_or(kDevices));
  const auto stages = static_cast<int>(asked.stages_per_device.value_or(kStagesPerDevice));
  const auto microbatches = static_cast<int>(asked.microbatches.value_or(kMicrobatches));
  drawn.name = scheduler->name();
  drawn.plan = plan_of(scheduler->place(devices, stages, microbatches), asked);
  drawn.schedule = scheduler->schedule(request_for(drawn.plan, microbatches, asked.latency));
}

void take_file(const Settings& settings, Drawn& drawn) {
  const ScheduleSettings& asked = settings.schedule;
  if (!asked.scheduler.empty()) throw Error("--scheduler and --csv: give one of the two");
  drawn.schedule = read_csv(asked.csv);
  drawn.name = asked.csv;
  drawn.plan = plan_of(drawn.schedule.device_of_stage, asked);
  const auto check = [&](const char* option, std::optional<int64_t> given, int64_t found) {
    if (given && *given != found)
      throw Error("--{} {}: {} has {}", option, *given, asked.csv, found);
  };
  const auto devices = static_cast<int64_t>(drawn.schedule.devices.size());
  check("devices", asked.devices, devices);
  check("microbatches", asked.microbatches, drawn.schedule.microbatches);
  if (asked.stages_per_device && *asked.stages_per_device * devices != drawn.schedule.stages)
    throw Error("--stages-per-device {}: {} has {} stages on {} devices", *asked.stages_per_device,
                asked.csv, drawn.schedule.stages, devices);
}

Drawn draw(const Settings& settings) {
  Drawn drawn;
  settings.schedule.csv.empty() ? make_by_plugin(settings, drawn) : take_file(settings, drawn);
  validate(drawn.schedule, drawn.plan, drawn.name);
  if (const auto most = settings.schedule.max_activations)
    validate_activations(drawn.schedule,
                         std::vector<int>(drawn.schedule.devices.size(),
                                          static_cast<int>(std::min<int64_t>(
                                              *most, std::numeric_limits<int>::max()))),
                         drawn.name);
  drawn.lowered = lower(drawn.schedule, drawn.plan);
  return drawn;
}

Figures figures_of(const Simulation& simulation, const ScheduleSettings& settings) {
  Figures figures{.makespan = simulation.makespan_s + settings.optimizer_time,
                  .span = simulation.span_s + settings.optimizer_time,
                  .busy = simulation.busy_s,
                  .peak_activations = simulation.peak_activations,
                  .peak_weight_stash = simulation.peak_weight_stash};
  for (double& busy : figures.busy) busy += settings.optimizer_time;
  return figures;
}

// The same in steps. What lives when follows from the lists alone.
Figures count_steps(const UnitSteps& steps, Figures figures) {
  figures.makespan = count(steps);
  figures.span = 0;
  figures.busy.clear();
  for (const auto& device : steps) {
    const auto runs = [](const std::optional<Action>& action) { return action.has_value(); };
    const auto first = std::find_if(device.begin(), device.end(), runs);
    figures.span = std::max(figures.span, static_cast<double>(device.end() - first));
    figures.busy.push_back(static_cast<double>(std::count_if(first, device.end(), runs)));
  }
  return figures;
}

// Rows of text; an idle step is an empty cell.
using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const Schedule& schedule) {
  Rows rows;
  for (const auto& device : schedule.devices) {
    rows.emplace_back();
    for (const Action& action : device) rows.back().push_back(to_string(action));
  }
  return rows;
}

Rows rows_of(const UnitSteps& steps) {
  Rows rows;
  for (const auto& device : steps) {
    rows.emplace_back();
    for (const auto& action : device) rows.back().push_back(action ? to_string(*action) : "");
  }
  return rows;
}

void report_json(const Drawn& drawn, const Figures& figures, const Rows& rows, bool actions) {
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
                       {"peak_activations", figures.peak_activations},
                       {"peak_weight_stash", figures.peak_weight_stash}};
  if (actions) json["actions"] = rows;
  print_json(json);
}

std::string step_grid(const Rows& rows) {
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

// In proportion to time where a terminal shows it, else turn by turn.
std::string drawing_of(const Drawn& drawn, const Rows& rows, const ReportedRun& run,
                       const Settings& settings) {
  const ScheduleSettings& asked = settings.schedule;
  const size_t columns = settings.actions ? kUnlimited : output_columns();
  if (columns != kUnlimited && columns >= kLeastTimeline && !asked.unit_steps && !asked.lower)
    return timeline_text(run.simulation, run.loop_of_stage, columns, output_in_colour());
  return clip_lines(
      asked.unit_steps ? step_grid(rows) : to_grid(asked.lower ? drawn.lowered : drawn.schedule),
      columns);
}

void report_text(const Drawn& drawn, const Figures& figures, const Rows& rows,
                 const ReportedRun& run, const Settings& settings) {
  const ScheduleSettings& asked = settings.schedule;
  fmt::print("schedule {}: {} devices, {} stages, {} micro-batches\n", drawn.name,
             drawn.schedule.devices.size(), drawn.schedule.stages, drawn.schedule.microbatches);
  fmt::print("{}\n", drawing_of(drawn, rows, run, settings));
  const auto time = [&](double t) {
    return asked.unit_steps ? fmt::format("{} steps", t) : show_seconds(t);
  };
  TextTable table({{"device", Align::right},
                   {"busy", Align::right},
                   {"idle", Align::right},
                   {"peak activations", Align::right},
                   {"waiting for W", Align::right}});
  for (size_t d = 0; d < figures.busy.size(); ++d)
    table.add({fmt::format("{}", d), time(figures.busy[d]),
               show_percent(figures.makespan > 0 ? 1 - figures.busy[d] / figures.makespan : 0),
               fmt::format("{}", figures.peak_activations[d]),
               fmt::format("{}", figures.peak_weight_stash[d])});
  fmt::print("{}\nmakespan {}, bubble {}; longest span of a device {}, bubble {}\n", table.text(),
             time(figures.makespan), show_percent(figures.bubble(figures.makespan)),
             time(figures.span), show_percent(figures.bubble(figures.span)));
}

void write_csv(const Schedule& schedule, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << to_csv(schedule) << std::flush;
  if (!file) throw RunError("cannot write {}", path);
}

}  // namespace

void schedule_command(const Settings& settings) {
  const ScheduleSettings& asked = settings.schedule;
  const Drawn drawn = draw(settings);
  const Simulation simulation = simulate(drawn.lowered, drawn.plan, {.latency_s = asked.latency});
  const ReportedRun run = reported_run(drawn.name, simulation, drawn.plan);
  Figures figures = figures_of(simulation, asked);
  Rows rows = rows_of(asked.lower ? drawn.lowered : drawn.schedule);
  if (asked.unit_steps) {
    const UnitSteps steps = unit_steps(drawn.lowered, drawn.plan);
    figures = count_steps(steps, std::move(figures));
    rows = rows_of(steps);
  }
  if (!asked.output.empty()) write_csv(asked.lower ? drawn.lowered : drawn.schedule, asked.output);
  if (!settings.train.trace.empty())
    write_trace(settings.train.trace, std::vector{simulated_timeline(drawn.name, simulation)});
  if (!settings.report.empty())
    write_report(
        settings.report,
        fmt::format("{} devices, {} stages, {} micro-batches", drawn.schedule.devices.size(),
                    drawn.schedule.stages, drawn.schedule.microbatches),
        std::span(&run, 1));
  settings.json ? report_json(drawn, figures, rows, settings.actions)
                : report_text(drawn, figures, rows, run, settings);
}

}  // namespace headrace
