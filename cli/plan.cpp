#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/candidates.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/cost_report.h"
#include "cli/json_output.h"
#include "cli/plan_summary.h"
#include "cli/plugin_choice.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#include "cli/time_shares.h"
#include "cli/timeline_text.h"
#include "executor/devices.h"
#include "executor/trace.h"
#include "graph/error.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

// A skip connection may cross many stages; a person wants to see the shape, not every line.
constexpr size_t kChannelsShown = 24;

ordered_json to_json(const StageSummary& stage) {
  ordered_json json = {
      {"stage", stage.stage},
      {"device", stage.device},
      {"nodes", {{"F", stage.nodes[0]}, {"I", stage.nodes[1]}, {"W", stage.nodes[2]}}},
      {"recomputed", stage.recomputed},
      {"first", stage.first},
      {"last", stage.last}};
  json.update(cost_json(stage.cost));
  return json;
}

void report_json(const PlanSummary& summary, const PreparedPlan& plan, const Settings& settings,
                 const ordered_json& more) {
  const Simulation& simulation = plan.simulation;
  ordered_json stages = ordered_json::array(), channels = ordered_json::array();
  for (const auto& stage : summary.stages) stages.push_back(to_json(stage));
  for (const auto& channel : summary.channels)
    channels.push_back({{"from", channel.from},
                        {"to", channel.to},
                        {"value", channel.value},
                        {"type", channel.type},
                        {"bytes", channel.bytes},
                        {"gradient", channel.gradient}});
  ordered_json json = {{"model", summary.model},
                       {"parameters", summary.parameters},
                       {"flops", summary.step_flops},
                       {"forward_flops", summary.forward_flops},
                       {"batch", summary.batch},
                       {"scheduler", summary.scheduler},
                       {"partitioner", summary.partitioner},
                       {"devices", device_count(settings.run.devices)},
                       {"replicas", settings.run.data_parallel},
                       {"microbatches", plan.schedule.microbatches},
                       {"stages", stages},
                       {"channels", channels},
                       {"bottleneck_s", plan.score.bottleneck_s},
                       {"cut_bytes", plan.score.cut_bytes},
                       {"makespan", simulation.makespan_s},
                       {"span", simulation.span_s},
                       {"bubble_makespan", simulation.bubble_makespan},
                       {"bubble_span", simulation.bubble_span},
                       {"busy", simulation.busy_s},
                       {"idle", idle_json(simulation)},
                       {"peak_activations", simulation.peak_activations},
                       {"peak_weight_stash", simulation.peak_weight_stash},
                       {"update_s", plan.update_s},
                       {"step_s_predicted", summary.step_s},
                       {"predicted_peak_bytes", summary.predicted_peak_bytes},
                       {"notes", summary.notes}};
  json.update(more);
  if (settings.actions) {
    json["actions"] = ordered_json::array();
    for (const auto& device : plan.schedule.devices) {
      ordered_json row = ordered_json::array();
      for (const Action& action : device) row.push_back(to_string(action));
      json["actions"].push_back(row);
    }
  }
  print_json(json);
}

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1e3 * seconds); }
std::string bytes(int64_t count) { return show_bytes(static_cast<double>(count)); }

void print_stages(const PlanSummary& summary) {
  TextTable table({{"stage", Align::right},
                   {"device", Align::right},
                   {"nodes", Align::right},
                   {"F ms", Align::right},
                   {"I ms", Align::right},
                   {"W ms", Align::right},
                   {"parameters", Align::right},
                   {"activations", Align::right},
                   {"from .. to"}});
  for (const auto& stage : summary.stages)
    table.add({fmt::format("{}", stage.stage), fmt::format("{}", stage.device),
               fmt::format("{}", stage.nodes[0]), milliseconds(stage.cost.forward_s),
               milliseconds(stage.cost.backward_input_s),
               milliseconds(stage.cost.backward_weight_s), bytes(stage.cost.parameter_bytes),
               bytes(stage.cost.activation_bytes), stage.first + " .. " + stage.last});
  fmt::print("\n{}", clip_lines(table.text(), output_columns()));
  for (const auto& stage : summary.stages)
    if (stage.recomputed > 0)
      fmt::print("stage {} computes {} of its nodes again in the backward pass\n", stage.stage,
                 stage.recomputed);
}

void print_channels(const PlanSummary& summary) {
  if (summary.channels.empty()) return;
  TextTable table({{"channel"}, {"bytes", Align::right}, {"carries"}});
  const size_t shown = std::min(summary.channels.size(), kChannelsShown);
  for (size_t c = 0; c < shown; ++c) {
    const ChannelSummary& channel = summary.channels[c];
    table.add({fmt::format("{} -> {}", channel.from, channel.to), bytes(channel.bytes),
               fmt::format("{} {}", channel.value, channel.type)});
  }
  fmt::print("\n{}", clip_lines(table.text(), output_columns()));
  if (shown < summary.channels.size())
    fmt::print("... and {} more (--json has all)\n", summary.channels.size() - shown);
}

void print_schedule(const PlanSummary& summary, const PreparedPlan& plan, bool whole) {
  fmt::print("\nschedule {}, {} micro-batches\n", summary.scheduler, plan.schedule.microbatches);
  const size_t columns = output_columns();
  if (whole || columns < kLeastTimeline || columns == kUnlimited)
    fmt::print("{}", clip_lines(to_grid(plan.schedule), whole ? kUnlimited : columns));
  else
    fmt::print("{}",
               timeline_text(plan.simulation, loops_of(plan.plan), columns, output_in_colour()));
}

void print_devices(const PlanSummary& summary, const Simulation& simulation) {
  const TimeShares means = mean_shares(simulation);
  std::vector<TextTable::Column> columns = {
      {"device", Align::right}, {"busy", Align::right}, {"idle", Align::right}};
  for (size_t cause = 1; cause < means.size(); ++cause)
    if (means[cause].seconds > 0) columns.push_back({means[cause].name, Align::right});
  columns.push_back({"peak activations", Align::right});
  columns.push_back({"waiting for W", Align::right});
  columns.push_back({"peak memory", Align::right});
  TextTable table(std::move(columns));
  for (size_t d = 0; d < simulation.busy_s.size(); ++d) {
    std::vector<std::string> cells = {
        fmt::format("{}", d), show_seconds(simulation.busy_s[d]),
        show_percent(1 - simulation.busy_s[d] / simulation.makespan_s)};
    const TimeShares shares = shares_of(simulation, d);
    for (size_t cause = 1; cause < means.size(); ++cause)
      if (means[cause].seconds > 0) cells.push_back(show_seconds(shares[cause].seconds));
    cells.push_back(fmt::format("{}", simulation.peak_activations[d]));
    cells.push_back(fmt::format("{}", simulation.peak_weight_stash[d]));
    cells.push_back(bytes(summary.predicted_peak_bytes[d]));
    table.add(std::move(cells));
  }
  fmt::print("\n{}", table.text());
}

void report_text(const PlanSummary& summary, const PreparedPlan& plan, const Settings& settings) {
  fmt::print("model {}: {} parameters; a step of {} samples takes {}FLOP, {}FLOP of them forward\n",
             summary.model, show_count(summary.parameters), summary.batch,
             show_number(summary.step_flops), show_number(summary.forward_flops));
  for (const auto& note : summary.notes) fmt::print("  {}\n", note);
  if (settings.run.data_parallel > 1)
    fmt::print("  one of {} replicas is shown\n", settings.run.data_parallel);
  fmt::print("partition {}: at most {} of work per device and micro-batch, {} cross devices\n",
             summary.partitioner, show_seconds(plan.score.bottleneck_s),
             bytes(plan.score.cut_bytes));
  print_stages(summary);
  print_channels(summary);
  print_schedule(summary, plan, settings.actions);
  print_devices(summary, plan.simulation);
  fmt::print("\nstep {} ({} of it the update), bubble {}\n", show_seconds(summary.step_s),
             show_seconds(plan.update_s), show_percent(plan.simulation.bubble_makespan));
}

// Another scheduler's plan of the same model, or why there is none.
struct Compared {
  std::string name = {};
  int stages_per_device = 1;
  std::string refused = {};
  size_t run = 0;  // in the list of runs
};

std::vector<Compared> compare(const Settings& settings, const PreparedModel& model,
                              const PartitionStrategy& strategy, const PlanCosts& costs,
                              std::vector<ReportedRun>& runs) {
  std::vector<Compared> compared;
  if (settings.schedulers.empty()) return compared;
  for (const Candidate& candidate : candidates(settings, plugin_registry(settings))) {
    if (candidate.name == settings.scheduler) continue;
    Compared& entry = compared.emplace_back();
    entry.name = candidate.name;
    entry.stages_per_device = candidate.stages_per_device;
    entry.refused = candidate.refused;
    if (candidate.scheduler == nullptr) continue;
    RunConfig run = settings.run;
    run.stages_per_device = candidate.stages_per_device;
    const Attempt attempt = attempt_plan(model, run, *candidate.scheduler, strategy, costs);
    entry.refused = attempt.refused;
    if (!attempt.plan) continue;
    entry.run = runs.size();
    runs.push_back(reported_run(candidate.name, attempt.plan->simulation, attempt.plan->plan,
                                costs.data_parallel));
  }
  return compared;
}

void print_comparison(const std::vector<ReportedRun>& runs, const std::vector<Compared>& others) {
  if (others.empty()) return;
  TextTable table({{"schedule"},
                   {"step", Align::right},
                   {"bubble", Align::right},
                   {"largest peak memory", Align::right}});
  for (const ReportedRun& run : runs) {
    table.add({run.name, show_seconds(run.simulation.step_s),
               show_percent(run.simulation.bubble_makespan), bytes(largest_peak(run.simulation))});
  }
  fmt::print("\n{}", table.text());
  for (const Compared& other : others)
    if (!other.refused.empty()) fmt::print("{}: {}\n", other.name, other.refused);
}

ordered_json compared_json(const std::vector<ReportedRun>& runs,
                           const std::vector<Compared>& others) {
  ordered_json json = ordered_json::array();
  for (const Compared& other : others) {
    ordered_json& entry = json.emplace_back(ordered_json{{"scheduler", other.name}});
    if (!other.refused.empty()) {
      entry["refused"] = other.refused;
      continue;
    }
    const Simulation& simulation = runs[other.run].simulation;
    entry["stages_per_device"] = other.stages_per_device;
    entry["step_s_predicted"] = simulation.step_s;
    entry["makespan"] = simulation.makespan_s;
    entry["bubble_makespan"] = simulation.bubble_makespan;
    entry["bubble_span"] = simulation.bubble_span;
    entry["predicted_peak_bytes"] = ordered_json::array();
    for (const MemoryPeak& peak : simulation.peak_memory)
      entry["predicted_peak_bytes"].push_back(peak.bytes);
  }
  return json;
}

std::string title_of(const Settings& settings) {
  return fmt::format(
      "{} on {}, {} micro-batches{}", std::filesystem::path(settings.run.model).filename().string(),
      settings.run.devices, settings.run.microbatches, one_of_replicas(settings.run.data_parallel));
}

}  // namespace

void plan_command(const Settings& given) {
  Settings settings = given;
  RunConfig& run = settings.run;
  const ChosenPlugins plugins = choose_plugins(settings);
  const auto device = make_first_device(run);
  const int devices = pipeline_devices(run);
  cluster_of(settings, devices);  // what it refuses is told before the model is read
  const PreparedModel model = prepare_model(run, *device);
  PlanCosts costs = plan_costs(model, run, *device);
  const Cluster cluster = cluster_of(settings, devices, measured_links(costs.rates));
  costs.links = cluster.links;
  costs.data_parallel = cluster.machine.data_parallel;
  run.device_speed = cluster.machine.speed;
  const PreparedPlan plan =
      prepare_plan(model, run, *plugins.scheduler, *plugins.partitioner, costs);
  std::vector<ReportedRun> runs = {
      reported_run(settings.scheduler, plan.simulation, plan.plan, cluster.machine.data_parallel)};
  const auto others = compare(settings, model, *plugins.partitioner, costs, runs);

  if (!settings.train.trace.empty()) {
    std::vector<Timeline> timelines;
    for (const ReportedRun& each : runs)
      timelines.push_back(simulated_timeline(each.name, each.simulation));
    write_trace(settings.train.trace, timelines);
  }
  if (!settings.report.empty()) write_report(settings.report, title_of(settings), runs);
  const bool measured = !costs.table.nodes.empty();
  if (!settings.dump_costs.empty()) {
    if (!measured) throw Error("--dump-costs keeps measured costs: give --cost profile");
    write_cost_table(settings.dump_costs, costs.table);
  }
  const PlanSummary summary = summarize(model, plan, settings);
  if (settings.json) {
    ordered_json more = ordered_json::object();
    if (!others.empty()) more["compared"] = compared_json(runs, others);
    if (measured) more["costs"] = cost_comparison_json(model, costs);
    if (settings.node_costs) more["nodes"] = node_costs_json(model, plan, costs, run);
    report_json(summary, plan, settings, more);
    return;
  }
  report_text(summary, plan, settings);
  print_comparison(runs, others);
  if (measured) fmt::print("\n{}", cost_comparison_text(model, costs));
  if (settings.node_costs) fmt::print("\n{}", node_costs_text(model, plan, costs, run));
}

}  // namespace headrace
