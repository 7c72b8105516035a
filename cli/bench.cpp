#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

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

// One line: a scheduler with a partitioner and a number of micro-batches.
struct Entry {
  std::string scheduler = {}, partitioner = {};
  int stages_per_device = 1, microbatches = 1;
  std::string refused = {};  // why it did not run; the rest is empty then
  MeasuredSteps measured = {};
  Predicted predicted = {};

  std::string name() const { return fmt::format("{} {} {}", scheduler, partitioner, microbatches); }
};

Entry run_candidate(const Candidate& candidate, const CandidatePartitioner& partitioner,
                    RunConfig run, int steps, const PreparedModel& model, const PlanCosts& costs) {
  Entry entry{.scheduler = candidate.name,
              .partitioner = partitioner.name,
              .stages_per_device = candidate.stages_per_device,
              .microbatches = run.microbatches,
              .refused = candidate.refused};
  if (candidate.scheduler == nullptr) return entry;
  spdlog::info("{}", entry.name());
  run.stages_per_device = candidate.stages_per_device;
  const Attempt attempt =
      attempt_plan(model, run, *candidate.scheduler, *partitioner.strategy, costs);
  entry.refused = attempt.refused;
  if (!attempt.plan) return entry;
  entry.predicted = {.step_s = attempt.plan->simulation.step_s,
                     .bubble = attempt.plan->simulation.bubble_makespan,
                     .peak_bytes = predicted_peak_bytes(*attempt.plan, run.data_parallel)};
  entry.measured = measure_steps(model, *attempt.plan, run, steps);
  return entry;
}

// Per number of micro-batches the digest that most reached: who has another one stands out. Other
// numbers sum gradients in other groups, so their bits are their own.
using CommonWeights = std::map<int, std::string>;

CommonWeights common_weights(const std::vector<Entry>& entries) {
  std::map<int, std::map<std::string, int>> votes;
  for (const Entry& entry : entries)
    if (entry.refused.empty()) ++votes[entry.microbatches][entry.measured.weights_sha256];
  CommonWeights common;
  for (const auto& [microbatches, counts] : votes)
    common[microbatches] =
        std::ranges::max_element(counts, {}, [](const auto& vote) { return vote.second; })->first;
  return common;
}

bool agrees(const Entry& entry, const CommonWeights& common) {
  return entry.measured.weights_sha256 == common.at(entry.microbatches);
}

int64_t largest(const std::vector<int64_t>& bytes) {
  return bytes.empty() ? 0 : *std::ranges::max_element(bytes);
}

void report_json(const std::vector<Entry>& entries, const Settings& settings,
                 const CommonWeights& common, bool same) {
  ordered_json rows = ordered_json::array();
  for (const Entry& entry : entries) {
    ordered_json row = {{"scheduler", entry.scheduler},
                        {"partitioner", entry.partitioner},
                        {"microbatches", entry.microbatches}};
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
                          {"replicas", settings.run.data_parallel},
                          {"microbatches", common.begin()->first},
                          {"partitioner", entries.front().partitioner},
                          {"measured_steps", settings.measured_steps},
                          {"same_weights", same},
                          {"weights_sha256", common.begin()->second},
                          {"schedulers", rows}});
}

void report_text(const std::vector<Entry>& entries, const Settings& settings,
                 const CommonWeights& common, bool same) {
  fmt::print("{} on {}; {} steps of each\n\n", settings.run.model, settings.run.devices,
             settings.measured_steps);
  TextTable table({{"scheduler"},
                   {"partitioner"},
                   {"micro-batches", Align::right},
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
    table.add({entry.scheduler, entry.partitioner, fmt::format("{}", entry.microbatches),
               fmt::format("{}", entry.stages_per_device), show_seconds(entry.measured.step_s),
               show_seconds(entry.predicted.step_s), show_percent(entry.measured.bubble),
               show_percent(entry.predicted.bubble),
               show_bytes(static_cast<double>(largest(entry.measured.peak_bytes))),
               show_bytes(static_cast<double>(largest(entry.predicted.peak_bytes))),
               agrees(entry, common) ? "same" : "DIFFERENT"});
  }
  fmt::print("{}\n", table.text());
  for (const Entry& entry : entries)
    if (!entry.refused.empty()) fmt::print("{}: {}\n", entry.name(), entry.refused);
  if (!same) return;
  for (const auto& [microbatches, digest] : common)
    fmt::print("all with {} micro-batches reached the same weights, bit for bit: sha256 {}\n",
               microbatches, digest);
}

std::vector<Entry> run_all(const Settings& settings) {
  const PluginRegistry registry = plugin_registry(settings);
  const auto partitioners = candidate_partitioners(settings, registry, Without::chosen);
  const auto device = make_first_device(settings.run);
  std::vector<Entry> entries;
  for (const int microbatches : compared_microbatches(settings)) {
    Settings sized = settings;
    sized.run.microbatches = microbatches;
    const PreparedModel model = prepare_model(sized.run, *device);
    const PlanCosts costs = plan_costs(model, sized.run, *device);
    for (const Candidate& candidate : candidates(sized, registry))
      for (const CandidatePartitioner& partitioner : partitioners)
        entries.push_back(run_candidate(candidate, partitioner, sized.run, settings.measured_steps,
                                        model, costs));
  }
  return entries;
}

}  // namespace

void bench_command(const Settings& settings) {
  const std::vector<Entry> entries = run_all(settings);
  const CommonWeights common = common_weights(entries);
  if (common.empty())
    throw Error("bench: no scheduler can run this; the first says: {}", entries.front().refused);
  std::string different;
  for (const Entry& entry : entries)
    if (entry.refused.empty() && !agrees(entry, common))
      different += (different.empty() ? "" : ", ") + entry.name();
  settings.json ? report_json(entries, settings, common, different.empty())
                : report_text(entries, settings, common, different.empty());
  if (!different.empty()) throw RunError("bench: other weights than the rest: {}", different);
}

}  // namespace headrace
