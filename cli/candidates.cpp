#include "cli/candidates.h"

#include <algorithm>

#include "cli/plugin_choice.h"
#include "executor/devices.h"
#include "graph/error.h"

namespace headrace {
namespace {

// The text of an error up to its first line break: the rest is a drawing.
std::string first_line(const Error& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

void settle_stages(Candidate& candidate, const RunConfig& run) {
  const int devices = device_count(run.devices);
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
  const bool all = settings.schedulers.empty();
  std::vector<Candidate> result;
  for (const std::string& name : all ? found_plugins(registry, "scheduler")
                                     : listed_names(settings.schedulers, "--schedulers")) {
    Candidate candidate{.name = name};
    const bool chosen = name == settings.scheduler;
    candidate.scheduler =
        registry.load_scheduler(name, chosen ? settings.scheduler_options : OptionValues{});
    settle_stages(candidate, settings.run);
    result.push_back(std::move(candidate));
  }
  return result;
}

}  // namespace headrace
