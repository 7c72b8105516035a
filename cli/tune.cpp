#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "cli/candidates.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "cli/quantity.h"
#include "cli/remembered_partitions.h"
#include "cli/run_file.h"
#include "cli/text_table.h"
#include "executor/devices.h"
#include "executor/measure.h"
#include "graph/error.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

// A plan that fits, by the choices that lead to it.
struct Found {
  std::string scheduler = {}, partitioner = {};
  int stages_per_device = 1, microbatches = 1;
  int64_t recomputed_stages = 0;
  double step_s = 0, bubble = 0;  // predicted, and so is the memory
  std::vector<int64_t> peak_bytes = {};
  std::optional<MeasuredSteps> measured = {};

  std::string name() const {
    return fmt::format("{} {}, {} stages per device, {} micro-batches", scheduler, partitioner,
                       stages_per_device, microbatches);
  }
  // Faster, else smaller.
  bool operator<(const Found& other) const {
    const auto key = [](const Found& found) {
      return std::tuple(found.step_s, *std::ranges::max_element(found.peak_bytes));
    };
    return key(*this) < key(other);
  }
};

Settings chosen(const Settings& settings, const Found& found) {
  Settings result = settings;
  result.json = false;
  if (found.scheduler != settings.scheduler) result.scheduler_options.clear();
  if (found.partitioner != settings.partitioner) result.partitioner_options.clear();
  result.scheduler = found.scheduler;
  result.partitioner = found.partitioner;
  result.run.stages_per_device = found.stages_per_device;
  result.run.microbatches = found.microbatches;
  return result;
}

std::vector<int> microbatches_to_try(const Settings& settings) {
  if (!settings.try_microbatches.empty() || !settings.run.batch)
    return compared_microbatches(settings);
  const int64_t most = int64_t{16} * pipeline_devices(settings.run);
  std::vector<int> divisors;
  for (int m = 1; m <= std::min(most, *settings.run.batch); ++m)
    if (*settings.run.batch % (int64_t{m} * settings.run.data_parallel) == 0) divisors.push_back(m);
  return divisors;
}

std::vector<int> stages_to_try(const Settings& settings) {
  if (settings.try_stages.empty()) return {1, 2, 4};
  return numbers_of(settings.try_stages, "--try-stages");
}

// Every combination of what is to be tried, planned and simulated.
class Search {
 public:
  explicit Search(const Settings& settings)
      : settings_(settings),
        registry_(plugin_registry(settings)),
        partitioners_(candidate_partitioners(settings, registry_, Without::all)),
        device_(make_first_device(settings.run)) {
    for (CandidatePartitioner& partitioner : partitioners_)
      partitioner.strategy =
          std::make_unique<RememberedPartitions>(std::move(partitioner.strategy));
  }

  // First with the partitioners that answer by the costs alone, then those that simulate cuts for
  // the `refined` best of what these found.
  void run(size_t refined) {
    for (const bool simulate : {false, true})
      if (found.empty())
        for (const int microbatches : microbatches_to_try(settings_))
          try_microbatches(microbatches, simulate);
    std::ranges::stable_sort(found, std::less<>());
    std::set<std::tuple<int, int, std::string>> best;
    for (const Found& each : found)
      if (best.size() < refined)
        best.insert({each.microbatches, each.stages_per_device, each.scheduler});
    for (const auto& [microbatches, stages, scheduler] : best)
      refine(microbatches, stages, scheduler);
    if (found.empty()) throw Error("tune: no plan fits; the first one tried: {}", first_refusal_);
    std::ranges::stable_sort(found, std::less<>());
  }

  // Runs the first of `found` and sorts them by what they took.
  void measure(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      spdlog::info("{}", found[i].name());
      const Settings sized = chosen(settings_, found[i]);
      const ChosenPlugins plugins = choose_plugins(sized);
      const PreparedModel model = prepare_model(sized.run, *device_);
      const PreparedPlan plan =
          prepare_plan(model, sized.run, *plugins.scheduler, *plugins.partitioner,
                       plan_costs(model, sized.run, *device_));
      found[i].measured = measure_steps(model, plan, sized.run, settings_.measured_steps);
    }
    std::ranges::stable_sort(
        found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), {},
        [](const Found& each) { return each.measured ? each.measured->step_s : each.step_s; });
  }

  std::vector<Found> found;  // best first, those that cut and order alike once
  int64_t predicted = 0, refused = 0;
  bool batch_statistics = false;
  int64_t batch = 0;
  CostTable costs;  // of all forms that were measured

 private:
  void try_microbatches(int microbatches, bool simulate) {
    Settings sized = settings_;
    sized.run.microbatches = microbatches;
    sized.run.simulate_cuts = simulate;
    std::optional<PreparedModel> model;
    try {
      model = prepare_model(sized.run, *device_);
    } catch (const Error& error) {
      if (!settings_.try_microbatches.empty()) throw;
      refuse(first_line(error));  // a model of fixed sizes
      return;
    }
    batch = model->microbatch_size * microbatches_in_all(sized.run);
    for (const Node& node : model->training.graph.nodes())
      batch_statistics |= node.op.starts_with("BatchNormalization");
    const PlanCosts known = plan_costs(*model, sized.run, *device_);
    costs.rates = known.rates;
    costs.nodes.insert(known.table.nodes.begin(), known.table.nodes.end());
    for (const int stages : stages_to_try(settings_)) {
      sized.run.stages_per_device = stages;
      for (const Candidate& candidate : candidates(sized, registry_)) {
        // Many schedulers serve one number of stages only.
        if (candidate.scheduler == nullptr || candidate.stages_per_device != stages)
          refuse(candidate.refused);
        else
          try_partitioners(*model, sized.run, candidate, known);
      }
    }
  }

  void refine(int microbatches, int stages, const std::string& name) {
    Settings sized = settings_;
    sized.run.microbatches = microbatches;
    sized.run.stages_per_device = stages;
    sized.schedulers = {name};
    const PreparedModel model = prepare_model(sized.run, *device_);
    const PlanCosts known = plan_costs(model, sized.run, *device_);
    for (const Candidate& candidate : candidates(sized, registry_))
      try_partitioners(model, sized.run, candidate, known);
  }

  void try_partitioners(const PreparedModel& model, const RunConfig& run,
                        const Candidate& candidate, const PlanCosts& known) {
    auto& cuts = cuts_[{run.microbatches, run.stages_per_device, candidate.name}];
    for (const CandidatePartitioner& partitioner : partitioners_) {
      if (run.simulate_cuts && by_costs_.contains(partitioner.name)) continue;
      const Attempt attempt =
          attempt_plan(model, run, *candidate.scheduler, *partitioner.strategy, known);
      if (!attempt.plan) {
        refuse(attempt.refused);
        continue;
      }
      if (!run.simulate_cuts) by_costs_.insert(partitioner.name);
      ++predicted;
      if (!cuts.insert(attempt.plan->stage_of_unit).second) continue;
      found.push_back({.scheduler = candidate.name,
                       .partitioner = partitioner.name,
                       .stages_per_device = run.stages_per_device,
                       .microbatches = run.microbatches,
                       .recomputed_stages =
                           std::ranges::count_if(attempt.plan->plan.cost, &StageCost::recomputes),
                       .step_s = attempt.plan->simulation.step_s,
                       .bubble = attempt.plan->simulation.bubble_makespan,
                       .peak_bytes = predicted_peak_bytes(*attempt.plan, run.data_parallel)});
    }
  }

  void refuse(const std::string& why) {
    ++refused;
    if (first_refusal_.empty()) first_refusal_ = why;
  }

  const Settings& settings_;
  const PluginRegistry registry_;
  std::vector<CandidatePartitioner> partitioners_;
  const std::unique_ptr<Device> device_;
  std::set<std::string> by_costs_;  // partitioners that need no simulation
  // The cuts that were found for so many micro-batches, stages per device and that scheduler.
  std::map<std::tuple<int, int, std::string>, std::set<std::vector<int>>> cuts_;
  std::string first_refusal_;
};

ordered_json to_json(const Found& found) {
  ordered_json row = {{"scheduler", found.scheduler},
                      {"partitioner", found.partitioner},
                      {"stages_per_device", found.stages_per_device},
                      {"microbatches", found.microbatches},
                      {"recomputed_stages", found.recomputed_stages},
                      {"step_s_predicted", found.step_s},
                      {"predicted_bubble", found.bubble},
                      {"predicted_peak_bytes", found.peak_bytes}};
  if (found.measured) {
    row["step_s"] = found.measured->step_s;
    row["bubble"] = found.measured->bubble;
    row["peak_bytes"] = found.measured->peak_bytes;
  }
  return row;
}

void report_json(const Search& search, const Settings& settings, size_t shown) {
  ordered_json rows = ordered_json::array();
  for (size_t i = 0; i < shown; ++i) rows.push_back(to_json(search.found[i]));
  print_json(ordered_json{{"model", settings.run.model},
                          {"devices", device_count(settings.run.devices)},
                          {"replicas", settings.run.data_parallel},
                          {"batch", search.batch},
                          {"predicted", search.predicted},
                          {"refused", search.refused},
                          {"batch_statistics", search.batch_statistics},
                          {"output", settings.tune.output},
                          {"best", rows}});
}

std::string largest(const std::vector<int64_t>& bytes) {
  return show_bytes(static_cast<double>(*std::ranges::max_element(bytes)));
}

void report_text(const Search& search, const Settings& settings, size_t shown) {
  fmt::print("{} on {}, {} samples per step: {} plans predicted, {} combinations refused\n\n",
             settings.run.model, settings.run.devices, search.batch, search.predicted,
             search.refused);
  std::vector<TextTable::Column> columns = {{"scheduler"},
                                            {"partitioner"},
                                            {"micro-batches", Align::right},
                                            {"stages", Align::right},
                                            {"recomputed", Align::right},
                                            {"predicted step", Align::right},
                                            {"bubble", Align::right},
                                            {"peak memory", Align::right}};
  if (settings.tune.measure)
    columns.insert(columns.end(), {{"measured step", Align::right}, {"peak memory", Align::right}});
  TextTable table(columns);
  for (size_t i = 0; i < shown; ++i) {
    const Found& found = search.found[i];
    std::vector<std::string> cells = {found.scheduler,
                                      found.partitioner,
                                      fmt::format("{}", found.microbatches),
                                      fmt::format("{}", found.stages_per_device),
                                      fmt::format("{}", found.recomputed_stages),
                                      show_seconds(found.step_s),
                                      show_percent(found.bubble),
                                      largest(found.peak_bytes)};
    if (found.measured) {
      cells.push_back(show_seconds(found.measured->step_s));
      cells.push_back(largest(found.measured->peak_bytes));
    }
    table.add(std::move(cells));
  }
  fmt::print("{}", table.text());
  if (search.batch_statistics)
    fmt::print(
        "\nThe model takes batch statistics of each micro-batch: other numbers of them train "
        "differently.\n");
  if (!settings.tune.output.empty())
    fmt::print("\nrun file of the first: {}\n", settings.tune.output);
}

}  // namespace

void tune_command(const Settings& settings) {
  Search search(settings);
  search.run(static_cast<size_t>(settings.tune.top));
  const size_t shown = std::min(search.found.size(), static_cast<size_t>(settings.tune.top));
  if (settings.tune.measure) search.measure(shown);
  if (!settings.dump_costs.empty()) {
    if (search.costs.nodes.empty())
      throw Error("--dump-costs keeps measured costs: give --cost profile");
    write_cost_table(settings.dump_costs, search.costs);
  }
  if (!settings.tune.output.empty())
    write_run_file(settings.tune.output, chosen(settings, search.found.front()), kTrain);
  settings.json ? report_json(search, settings, shown) : report_text(search, settings, shown);
}

}  // namespace headrace
