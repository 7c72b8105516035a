#include "cli/drawn_schedule.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "cli/plugin_choice.h"
#include "graph/error.h"
#include "graph/parse_number.h"
#include "graph/split.h"
#include "scheduler/plan_for.h"
#include "scheduler/text.h"
#include "scheduler/unit_steps.h"
#include "scheduler/validate.h"

namespace headrace {
namespace {

constexpr int kDevices = 4, kStagesPerDevice = 1, kMicrobatches = 8;

// The N numbers, 0 or more, of a text with commas.
template <typename Number, size_t N>
std::array<Number, N> numbers_in(const std::string& text, const char* option, const char* meaning) {
  std::array<Number, N> numbers{};
  const auto parts = split(text, ',');
  for (size_t i = 0; i < N; ++i) {
    const auto number = i < parts.size() ? parse_number<Number>(parts[i]) : std::nullopt;
    if (parts.size() != N || !number || *number < 0)
      throw Error("--{}: '{}' is not {}, 0 or more", option, text, meaning);
    numbers[i] = *number;
  }
  return numbers;
}

StageCost share_of_device(const ScheduleSettings& asked) {
  const auto times = numbers_in<double, 3>(asked.times, "times", "F,I,W: three numbers of seconds");
  const auto bytes = numbers_in<int64_t, 5>(asked.bytes, "bytes", "A,S,P,G,O: five whole numbers");
  return {.forward_s = times[0],
          .backward_input_s = times[1],
          .backward_weight_s = times[2],
          .update_s = asked.optimizer_time,
          .parameter_bytes = bytes[2],
          .gradient_bytes = bytes[3],
          .optimizer_bytes = bytes[4],
          .activation_bytes = bytes[0],
          .weight_stash_bytes = bytes[1]};
}

// Every device does its share of a micro-batch in equal parts, one per stage.
StagePlan plan_of(const std::vector<int>& device_of_stage, const ScheduleSettings& asked) {
  const StageCost share = share_of_device(asked);
  StagePlan plan = plan_for(device_of_stage, share, asked.transfer_bytes);
  std::vector<int64_t> stages(static_cast<size_t>(plan.devices()));
  for (const int device : plan.device) ++stages[device];
  for (int stage = 0; stage < plan.stages(); ++stage) {
    StageCost& cost = plan.cost[stage];
    const int64_t parts = stages[plan.device[stage]];
    for (double* seconds :
         {&cost.forward_s, &cost.backward_input_s, &cost.backward_weight_s, &cost.update_s})
      *seconds /= static_cast<double>(parts);
    for (int64_t* bytes : {&cost.parameter_bytes, &cost.gradient_bytes, &cost.optimizer_bytes,
                           &cost.activation_bytes, &cost.weight_stash_bytes})
      *bytes /= parts;
  }
  return plan;
}

// A scheduler as --scheduler names it.
struct Asked {
  std::string text;  // NAME, or NAME:K=V:K=V
  std::string plugin;
  OptionValues options;
};

Asked read_asked(const std::string& text) {
  const auto parts = split(text, ':');
  Asked asked{.text = text, .plugin = std::string(parts[0]), .options = {}};
  if (asked.plugin.empty()) throw Error("--scheduler {}: a name is empty", text);
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw Error("--scheduler {}: '{}' is not of the form name=value", text, parts[i]);
    asked.options[std::string(parts[i].substr(0, equals))] = parts[i].substr(equals + 1);
  }
  return asked;
}

// Commas part schedulers, but a number behind one goes on with the option's value before it.
std::vector<Asked> read_asked(const Settings& settings) {
  std::vector<std::string> texts;
  for (const std::string& list : settings.schedule.schedulers) {
    bool first = true;
    for (const std::string_view part : split(list, ',')) {
      if (!first && texts.back().find('=') != std::string::npos &&
          parse_number<double>(part.substr(0, part.find(':'))))
        texts.back().append(",").append(part);
      else
        texts.emplace_back(part);
      first = false;
    }
  }
  if (texts.empty()) texts.push_back(settings.scheduler);
  std::vector<Asked> result;
  for (const std::string& text : texts)
    if (std::ranges::find(result, text, &Asked::text) == result.end())
      result.push_back(read_asked(text));
  if (settings.scheduler_options.empty()) return result;
  if (result.size() > 1)
    throw Error("--scheduler-option: among several schedulers write it behind one: {}:NAME=VALUE",
                result[0].text);
  result[0].options.insert(settings.scheduler_options.begin(), settings.scheduler_options.end());
  return result;
}

// Places as many stages per device as asked for, or where there are several to compare and this one
// serves another number only, that: one or two.
std::vector<int> place(const Scheduler& scheduler, int devices, int stages, int microbatches,
                       bool compared) {
  try {
    return scheduler.place(devices, stages, microbatches);
  } catch (const Error&) {
    if (!compared) throw;
    for (const int other : {1, 2}) {
      try {
        return scheduler.place(devices, other, microbatches);
      } catch (const Error&) {  // the first refusal says what was asked for
      }
    }
    throw;
  }
}

void make_by_plugin(const Settings& settings, const Scheduler& scheduler, bool compared,
                    DrawnSchedule& drawn) {
  const ScheduleSettings& shape = settings.schedule;
  const auto devices = static_cast<int>(shape.devices.value_or(kDevices));
  const auto stages = static_cast<int>(shape.stages_per_device.value_or(kStagesPerDevice));
  const auto microbatches = static_cast<int>(shape.microbatches.value_or(kMicrobatches));
  drawn.plan = plan_of(place(scheduler, devices, stages, microbatches, compared), shape);
  drawn.cluster = cluster_of(settings, devices);
  ScheduleRequest request = request_for(drawn.plan, microbatches, drawn.cluster.links.latency_s);
  const std::vector<double>& speed = drawn.cluster.machine.speed;
  for (int s = 0; s < drawn.plan.stages() && !speed.empty(); ++s)
    for (auto* seconds :
         {&request.forward_s, &request.backward_input_s, &request.backward_weight_s})
      (*seconds)[s] /= speed[drawn.plan.device[s]];
  drawn.schedule = scheduler.schedule(request);
}

void take_file(const Settings& settings, DrawnSchedule& drawn) {
  const ScheduleSettings& asked = settings.schedule;
  if (!asked.schedulers.empty())
    throw Error("--scheduler and --csv: give one of the two, or --scheduler csv:file={}",
                asked.csv);
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
  drawn.cluster = cluster_of(settings, static_cast<int>(devices));
}

ScheduleFigures figures_of(const Simulation& simulation) {
  ScheduleFigures figures;
  figures.busy = simulation.busy_s;
  double begin = std::numeric_limits<double>::infinity(), end = 0;
  for (size_t d = 0; d < simulation.timeline.size(); ++d) {
    const double update_s = simulation.update[d].end_s - simulation.update[d].start_s;
    double first = std::numeric_limits<double>::infinity(), last = 0;
    for (const ActionTime& time : simulation.timeline[d]) {
      if (!is_compute(time.action.kind)) continue;
      first = std::min(first, time.start_s);
      last = std::max(last, time.end_s + update_s);
    }
    figures.busy[d] += update_s;
    figures.span = std::max(figures.span, last - first);
    begin = std::min(begin, first);
    end = std::max(end, last);
  }
  figures.makespan = end - begin;
  return figures;
}

// What happens in steps. What lives when follows from the lists alone.
ScheduleFigures count_steps(const UnitSteps& steps) {
  ScheduleFigures figures;
  figures.makespan = count(steps);
  for (const auto& device : steps) {
    const auto runs = [](const std::optional<Action>& action) { return action.has_value(); };
    const auto first = std::find_if(device.begin(), device.end(), runs);
    figures.span = std::max(figures.span, static_cast<double>(device.end() - first));
    figures.busy.push_back(static_cast<double>(std::count_if(first, device.end(), runs)));
  }
  return figures;
}

ActionRows rows_of(const Schedule& schedule) {
  ActionRows rows;
  for (const auto& device : schedule.devices) {
    rows.emplace_back();
    for (const Action& action : device) rows.back().push_back(to_string(action));
  }
  return rows;
}

ActionRows rows_of(const UnitSteps& steps) {
  ActionRows rows;
  for (const auto& device : steps) {
    rows.emplace_back();
    for (const auto& action : device) rows.back().push_back(action ? to_string(*action) : "");
  }
  return rows;
}

void finish(DrawnSchedule& drawn, const ScheduleSettings& asked) {
  validate(drawn.schedule, drawn.plan, drawn.name);
  if (asked.max_activations)
    validate_activations(
        drawn.schedule,
        std::vector<int>(drawn.schedule.devices.size(),
                         static_cast<int>(std::min<int64_t>(*asked.max_activations,
                                                            std::numeric_limits<int>::max()))),
        drawn.name);
  drawn.lowered = lower_for(drawn.cluster, drawn.schedule, drawn.plan, drawn.name);
  drawn.simulation =
      simulate(drawn.lowered, drawn.plan, drawn.cluster.links, drawn.cluster.machine);
  if (asked.unit_steps) {
    const UnitSteps steps = unit_steps(drawn.lowered, drawn.plan);
    drawn.figures = count_steps(steps);
    drawn.rows = rows_of(steps);
    return;
  }
  drawn.figures = figures_of(drawn.simulation);
  drawn.rows = rows_of(asked.lower ? drawn.lowered : drawn.schedule);
}

}  // namespace

double ScheduleFigures::bubble(double time) const {
  return time > 0 ? (time - *std::max_element(busy.begin(), busy.end())) / time : 0;
}

std::vector<DrawnSchedule> draw_schedules(const Settings& settings) {
  if (settings.cluster.bandwidth.value_or(0) > 0 && settings.schedule.transfer_bytes == 0)
    throw Error("--bandwidth says nothing without --transfer-bytes");
  std::vector<DrawnSchedule> drawn;
  if (!settings.schedule.csv.empty()) {
    take_file(settings, drawn.emplace_back());
    finish(drawn.back(), settings.schedule);
    return drawn;
  }
  const std::vector<Asked> schedulers = read_asked(settings);
  const PluginRegistry registry = plugin_registry(settings);
  const bool compared = schedulers.size() > 1;
  std::optional<Error> refusal;
  bool any = false;
  for (const Asked& asked : schedulers) {
    const auto scheduler = registry.load_scheduler(asked.plugin, asked.options);
    DrawnSchedule& each = drawn.emplace_back();
    each.name = compared ? asked.text : scheduler->name();
    try {
      make_by_plugin(settings, *scheduler, compared, each);
      finish(each, settings.schedule);
      any = true;
    } catch (const Error& error) {
      if (!refusal) refusal = error;
      const std::string text = error.what();
      each = {.name = asked.text, .refused = text.substr(0, text.find('\n'))};
    }
  }
  if (!any) throw Error(*refusal);
  return drawn;
}

}  // namespace headrace
