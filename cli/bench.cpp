#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/candidates.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "cli/quantity.h"
#include "cli/text_table.h"
#include "executor/devices.h"
#include "executor/measure.h"
#include "graph/error.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

struct Predicted {
  double step_s = 0, bubble = 0;
  std::vector<int64_t> peak_bytes;
};

// One scheduler's line.
struct Entry {
  std::string scheduler = {};
  int stages_per_device = 1;
  std::string refused = {};  // why it did not run; the rest is empty then
  MeasuredSteps measured = {};
  Predicted predicted = {};
};

Entry run_candidate(const Candidate& candidate, const Settings& settings,
                    const PreparedModel& model, const PartitionStrategy& strategy,
                    const PlanCosts& costs) {
  Entry entry{.scheduler = candidate.name,
              .stages_per_device = candidate.stages_per_device,
              .refused = candidate.refused};
  if (candidate.scheduler == nullptr) return entry;
  spdlog::info("{}", candidate.name);
  RunConfig run = settings.run;
  run.stages_per_device = candidate.stages_per_device;
  std::optional<PreparedPlan> plan;
  try {
    plan = prepare_plan(model, run, *candidate.scheduler, strategy, costs);
  } catch (const Error& error) {
    const std::string text = error.what();
    entry.refused = text.substr(0, text.find('\n'));
    return entry;
  }
  entry.predicted = {.step_s = plan->simulation.step_s,
                     .bubble = plan->simulation.bubble_makespan,
                     .peak_bytes = predicted_peak_bytes(*plan)};
  entry.measured = measure_steps(model, *plan, run, settings.measured_steps);
  return entry;
}

// The digest that most of them reached: who has another one stands out.
std::string common_weights(const std::vector<Entry>& entries) {
  std::map<std::string, int> votes;
  for (const Entry& entry : entries)
    if (entry.refused.empty()) ++votes[entry.measured.weights_sha256];
  const auto most =
      std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second; });
  return most == votes.end() ? "" : most->first;
}

int64_t largest(const std::vector<int64_t>& bytes) {
  return bytes.empty() ? 0 : *std::ranges::max_element(bytes);
}

void report_json(const std::vector<Entry>& entries, const Settings& settings,
                 const std::string& common, bool same) {
  ordered_json rows = ordered_json::array();
  for (const Entry& entry : entries) {
    ordered_json row = {{"scheduler", entry.scheduler}};
    if (!entry.refused.empty()) {
      row["refused"] = entry.refused;
    } else {
      row["stages_per_device"] = entry.stages_per_device;
      row["step_s"] = entry.measured.step_s;
      row["step_s_predicted"] = entry.predicted.step_s;
      row["bubble"] = entry.measured.bubble;
      row["predicted_bubble"] = entry.predicted.bubble;
      row["peak_bytes"] = entry.measured.peak_bytes;
      row["predicted_peak_bytes"] = entry.predicted.peak_bytes;
      row["loss"] = entry.measured.loss;
      row["weights_sha256"] = entry.measured.weights_sha256;
    }
    rows.push_back(std::move(row));
  }
  print_json(ordered_json{{"model", settings.run.model},
                          {"devices", device_count(settings.run.devices)},
                          {"microbatches", settings.run.microbatches},
                          {"partitioner", settings.partitioner},
                          {"measured_steps", settings.measured_steps},
                          {"same_weights", same},
                          {"weights_sha256", common},
                          {"schedulers", rows}});
}

void report_text(const std::vector<Entry>& entries, const Settings& settings,
                 const std::string& common, bool same) {
  fmt::print("{} on {}, {} micro-batches; {} steps of each\n\n", settings.run.model,
             settings.run.devices, settings.run.microbatches, settings.measured_steps);
  TextTable table({{"scheduler"},
                   {"stages", Align::right},
                   {"step", Align::right},
                   {"predicted", Align::right},
                   {"bubble", Align::right},
                   {"predicted", Align::right},
                   {"peak memory", Align::right},
                   {"predicted", Align::right},
                   {"weights"}});
  for (const Entry& entry : entries) {
    if (!entry.refused.empty()) continue;
    const bool agrees = entry.measured.weights_sha256 == common;
    table.add({entry.scheduler, fmt::format("{}", entry.stages_per_device),
               show_seconds(entry.measured.step_s), show_seconds(entry.predicted.step_s),
               show_percent(entry.measured.bubble), show_percent(entry.predicted.bubble),
               show_bytes(static_cast<double>(largest(entry.measured.peak_bytes))),
               show_bytes(static_cast<double>(largest(entry.predicted.peak_bytes))),
               agrees ? "same" : "DIFFERENT"});
  }
  fmt::print("{}\n", table.text());
  for (const Entry& entry : entries)
    if (!entry.refused.empty()) fmt::print("{}: {}\n", entry.scheduler, entry.refused);
  if (same && !common.empty())
    fmt::print("all reached the same weights, bit for bit: sha256 {}\n", common);
}

}  // namespace

void bench_command(const Settings& settings) {
  const RunConfig& run = settings.run;
  const PluginRegistry registry = plugin_registry(settings);
  const auto strategy =
      registry.load_partitioner(settings.partitioner, settings.partitioner_options);
  const int threads = threads_each(device_count(run.devices), run.threads_per_device);
  const auto device = std::move(make_devices("cpu:1", threads).front());
  const PreparedModel model = prepare_model(run, *device);
  const PlanCosts costs = plan_costs(model, run, *device);
  std::vector<Entry> entries;
  for (const Candidate& candidate : candidates(settings, registry))
    entries.push_back(run_candidate(candidate, settings, model, *strategy, costs));

  const std::string common = common_weights(entries);
  if (common.empty())
    throw Error("bench: no scheduler can run this; the first says: {}", entries.front().refused);
  std::string different;
  for (const Entry& entry : entries)
    if (entry.refused.empty() && entry.measured.weights_sha256 != common)
      different += (different.empty() ? "" : ", ") + entry.scheduler;
  settings.json ? report_json(entries, settings, common, different.empty())
                : report_text(entries, settings, common, different.empty());
  if (!different.empty()) throw RunError("bench: other weights than the rest: {}", different);
}

}  // namespace headrace
