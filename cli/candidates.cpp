#include "cli/candidates.h"

#include <algorithm>
#include <set>

#include "cli/plugin_choice.h"
#include "executor/devices.h"
#include "graph/error.h"
#include "graph/parse_number.h"

namespace headrace {
namespace {

bool has_option(const PluginRegistry& registry, const std::string& plugin,
                const std::string& option) {
  for (const PluginInfo& info : registry.list("partitioner"))
    if (info.name == plugin)
      return std::ranges::find(info.options, option, &PluginOption::name) != info.options.end();
  return false;
}

void settle_stages(Candidate& candidate, const RunConfig& run) {
  const int devices = pipeline_devices(run);
  std::string first_refusal;
  for (const int stages : {run.stages_per_device, 1, 2}) {
    try {
      candidate.scheduler->place(devices, stages, run.microbatches);
      candidate.stages_per_device = stages;
      return;
    } catch (const Error& error) {
      if (first_refusal.empty()) first_refusal = first_line(error);
    }
  }
  candidate.refused = first_refusal;
  candidate.scheduler.reset();
}

}  // namespace

std::vector<Candidate> candidates(const Settings& settings, const PluginRegistry& registry) {
  const auto names = settings.schedulers.empty()
                         ? found_plugins(registry, "scheduler")
                         : listed_names(settings.schedulers, "--schedulers");
  std::vector<Candidate> result;
  for (const std::string& name : names) {
    Candidate candidate{.name = name};
    const bool chosen = name == settings.scheduler;
    candidate.scheduler =
        registry.load_scheduler(name, chosen ? settings.scheduler_options : OptionValues{});
    settle_stages(candidate, settings.run);
    result.push_back(std::move(candidate));
  }
  return result;
}

std::vector<CandidatePartitioner> candidate_partitioners(const Settings& settings,
                                                         const PluginRegistry& registry,
                                                         Without fallback) {
  std::vector<std::string> names = {settings.partitioner};
  if (!settings.partitioners.empty())
    names = listed_names(settings.partitioners, "--partitioners");
  else if (fallback == Without::all)
    names = found_plugins(registry, "partitioner");
  std::vector<CandidatePartitioner> result;
  for (const std::string& name : names) {
    OptionValues options =
        name == settings.partitioner ? settings.partitioner_options : OptionValues{};
    if (fallback == Without::all && has_option(registry, name, "time-limit"))
      options.try_emplace("time-limit", "1");
    result.push_back({name, registry.load_partitioner(name, options)});
  }
  return result;
}

std::vector<int> numbers_of(const std::vector<std::string>& lists, const std::string& option) {
  constexpr int kMost = 1 << 20;
  std::set<int> numbers;
  for (const std::string& item : listed_names(lists, option)) {
    const auto number = parse_number<int>(item);
    if (!number || *number < 1 || *number > kMost)
      throw Error("{}: '{}' is no whole number from 1 to {}", option, item, kMost);
    numbers.insert(*number);
  }
  return {numbers.begin(), numbers.end()};
}

std::vector<int> compared_microbatches(const Settings& settings) {
  if (settings.try_microbatches.empty()) return {settings.run.microbatches};
  auto numbers = numbers_of(settings.try_microbatches, "--try-microbatches");
  if (numbers.size() > 1 && !settings.run.batch)
    throw Error("--try-microbatches: give --batch too, so that every step has as many samples");
  return numbers;
}

Attempt attempt_plan(const PreparedModel& model, const RunConfig& run, const Scheduler& scheduler,
                     const PartitionStrategy& strategy, const PlanCosts& costs) {
  try {
    return {.plan = prepare_plan(model, run, scheduler, strategy, costs)};
  } catch (const Error& error) {
    return {.refused = first_line(error)};
  }
}

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace headrace
