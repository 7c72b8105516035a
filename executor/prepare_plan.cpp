#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "executor/device_limits.h"
#include "executor/devices.h"
#include "executor/session.h"
#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/recompute.h"
#include "scheduler/data_parallel.h"
#include "scheduler/in_flight.h"
#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/validate.h"

namespace headrace {
namespace {

// Optimizer state that goes with a byte of parameters. A model's own update may keep states of any
// size; then it is what they come to, all together.
int64_t optimizer_bytes_per_parameter_byte(const PreparedModel& prepared, const RunConfig& config) {
  if (!prepared.model.update)
    return static_cast<int64_t>(optimizer_state_names(config.optimizer).size());
  const Graph& graph = prepared.training.graph;
  double parameters = 0, states = 0;
  for (const auto& kept : prepared.model.update->kept) {
    const auto bytes =
        static_cast<double>(prepared.model.update->graph.value(kept.before).type.bytes());
    (graph.find(kept.name) ? parameters : states) += bytes;
  }
  return parameters == 0 ? 0 : std::llround(states / parameters);
}

// Micro-batches that each stage holds at once, as the scheduler runs them when all stages cost the
// same: what the stages will cost is not known before they are cut.
std::vector<int> expected_in_flight(const Scheduler& scheduler, const PartitionSetting& setting) {
  const StageCost same{.forward_s = 1, .backward_input_s = 1, .backward_weight_s = 1};
  const StagePlan plan = plan_for(setting.device_of_stage, same);
  const Schedule schedule = scheduler.schedule(request_for(plan, setting.microbatches, 0));
  validate(schedule, plan, scheduler.name());
  return in_flight_of_stages(schedule, plan.stages());
}

Links links_of(const PlanCosts& costs) { return costs.links.value_or(measured_links(costs.rates)); }

PartitionSetting partition_setting(const PreparedModel& prepared, const RunConfig& config,
                                   const Scheduler& scheduler, const PlanCosts& costs) {
  const Links links = links_of(costs);
  const int devices = pipeline_devices(config);
  PartitionSetting setting;
  setting.device_of_stage = scheduler.place(devices, config.stages_per_device, config.microbatches);
  for (const int64_t bytes : memory_limits(config.memory, devices))
    setting.devices.push_back({.memory_bytes = bytes});
  for (size_t d = 0; d < config.device_speed.size(); ++d)
    setting.devices.at(d).speed = config.device_speed[d];
  setting.stages_per_device = config.stages_per_device;
  setting.microbatches = config.microbatches;
  setting.link_bytes_per_s = links.bytes_per_s;
  setting.link_latency_s = links.latency_s;
  setting.optimizer_bytes_per_parameter_byte = optimizer_bytes_per_parameter_byte(prepared, config);
  return setting;
}

// Counting right answers is evaluation's business: a training step leaves it out.
std::vector<double> step_seconds(const PreparedModel& prepared, const PlanCosts& costs) {
  std::vector<double> seconds = costs.node_seconds;
  for (const ValueId id : prepared.correct_counts)
    seconds[index(prepared.training.graph.value(id).producer)] = 0;
  return seconds;
}

PartitionProblem problem_of(const PreparedModel& prepared, const std::vector<double>& seconds,
                            const Scheduler& scheduler, const PartitionSetting& setting) {
  PartitionProblem problem = partition_problem(prepared.training, seconds, setting);
  problem.in_flight_of_stage = expected_in_flight(scheduler, setting);
  // What counts stays beside the node that comes next, the loss: no stage is spent on it.
  const Graph& graph = prepared.training.graph;
  const auto unit = unit_of_node(graph);
  for (size_t c = 0; c < prepared.correct_counts.size(); ++c) {
    const auto u =
        static_cast<size_t>(unit[index(graph.value(prepared.correct_counts[c]).producer)]);
    if (u + 1 == problem.nodes.size()) continue;
    problem.nodes[u].colocate = static_cast<int>(c);
    problem.nodes[u + 1].colocate = static_cast<int>(c);
  }
  return problem;
}

// What the plan tells a scheduler. A device's memory is what parameters, gradients, optimizer state
// and recomputation leave of it.
ScheduleRequest schedule_request(const StagePlan& plan, const PartitionSetting& setting) {
  ScheduleRequest request = request_for(plan, setting.microbatches, setting.link_latency_s);
  request.devices = static_cast<int>(setting.devices.size());
  request.memory_limit_bytes.clear();
  for (const PartitionDevice& device : setting.devices)
    request.memory_limit_bytes.push_back(device.memory_bytes);
  for (size_t s = 0; s < plan.cost.size(); ++s) {
    const StageCost& cost = plan.cost[s];
    const double speed = setting.devices[static_cast<size_t>(plan.device[s])].speed;
    for (auto* seconds :
         {&request.forward_s, &request.backward_input_s, &request.backward_weight_s})
      (*seconds)[s] /= speed;
    int64_t& limit = request.memory_limit_bytes[static_cast<size_t>(plan.device[s])];
    if (limit > 0)
      limit = std::max<int64_t>(1, limit - cost.parameter_bytes - cost.gradient_bytes -
                                       cost.optimizer_bytes - cost.recomputed_bytes -
                                       cost.recomputed_weight_bytes);
  }
  return request;
}

void require_memory(const Simulation& simulation, const std::vector<PartitionDevice>& devices,
                    const std::string& scheduler, bool recomputes) {
  for (size_t d = 0; d < devices.size(); ++d) {
    const int64_t peak = simulation.peak_memory[d].bytes, limit = devices[d].memory_bytes;
    if (limit > 0 && peak > limit)
      throw Error(
          "scheduler {}: device {} would hold {} bytes at its peak, its limit is {}; use {}more "
          "devices, smaller micro-batches or a scheduler that holds fewer of them",
          scheduler, d, peak, limit, recomputes ? "" : "--recompute auto, ");
  }
}

// Which stages compute their activations once more.
enum class Recompute : uint8_t { none, where_needed, all };

Recompute recompute_of(const RunConfig& config) {
  const std::vector<std::string> known = {"auto", "none", "stage"};
  if (std::ranges::find(known, config.recompute) == known.end())
    throw Error("--recompute: unknown '{}'; did you mean '{}'?", config.recompute,
                nearest(config.recompute, known));
  if (config.recompute == "stage") return Recompute::all;
  return config.recompute == "auto" && !config.memory.empty() ? Recompute::where_needed
                                                              : Recompute::none;
}

// How a model is planned for a scheduler and devices. Borrows the model and the scheduler.
class Planner {
 public:
  Planner(const PreparedModel& prepared, const RunConfig& config, const Scheduler& scheduler,
          const PlanCosts& costs, Recompute mode)
      : prepared_(prepared),
        scheduler_(scheduler),
        setting_(partition_setting(prepared, config, scheduler, costs)),
        rates_(costs.rates),
        links_(links_of(costs)),
        data_parallel_(costs.data_parallel),
        node_seconds_(step_seconds(prepared, costs)),
        mode_(mode) {}

  // What is computed again needs no memory until then: how much it needs shows at the peak.
  PartitionProblem problem() const {
    PartitionProblem problem = problem_of(prepared_, node_seconds_, scheduler_, setting_);
    if (mode_ == Recompute::none) return problem;
    for (PartitionNode& node : problem.nodes) {
      node.activation_bytes = 0;
      if (mode_ == Recompute::all) node.backward_input_s += node.forward_s;
    }
    return problem;
  }

  // All that follows from a cut; without the problem and its score. Throws Error where a device
  // would hold too much.
  PreparedPlan plan(const std::vector<int>& stage_of_unit) const {
    std::vector<bool> again(static_cast<size_t>(stages()));
    if (mode_ == Recompute::all) {
      const std::vector<int> held = expected_in_flight(scheduler_, setting_);
      for (size_t s = 0; s < again.size(); ++s) again[s] = held[s] > 1;
    }
    PreparedPlan result = plan_with(stage_of_unit, again);
    if (mode_ == Recompute::where_needed)
      while (const auto stage = stage_to_recompute(result, again)) {
        again[*stage] = true;
        result = plan_with(stage_of_unit, again);
      }
    require_memory(result.simulation, setting_.devices, scheduler_.name(),
                   mode_ != Recompute::none);
    return result;
  }

 private:
  int stages() const { return static_cast<int>(setting_.device_of_stage.size()); }

  // The plan where the chosen stages compute again, whatever memory it takes.
  PreparedPlan plan_with(const std::vector<int>& stage_of_unit,
                         const std::vector<bool>& again) const {
    PreparedPlan result;
    result.node_seconds = node_seconds_;
    result.stage_of_unit = stage_of_unit;
    if (std::ranges::find(again, true) == again.end()) {
      result.plan = stage_plan(prepared_.training, stage_of_unit, node_seconds_, setting_);
    } else {
      std::vector<int> stage = unit_of_node(prepared_.training.graph);
      for (int& unit : stage) unit = stage_of_unit[static_cast<size_t>(unit)];
      result.recomputed =
          std::make_shared<const TrainingGraph>(recompute(prepared_.training, stage, again));
      result.plan = stage_plan(*result.recomputed, stage_of_unit,
                               with_repeats(result.recomputed->graph, node_seconds_), setting_);
    }
    // An update reads parameter, gradient and state and writes all but the gradient; replicas that
    // split the state update a part each.
    const int parts = data_parallel_.sharding == Sharding::none ? 1 : data_parallel_.replicas;
    for (StageCost& cost : result.plan.cost)
      cost.update_s = static_cast<double>(2 * cost.parameter_bytes + cost.gradient_bytes +
                                          2 * cost.optimizer_bytes) /
                      (rates_.memory_bytes_per_s * parts);

    result.schedule = scheduler_.schedule(schedule_request(result.plan, setting_));
    validate(result.schedule, result.plan, scheduler_.name());
    result.links = links_;
    Machine machine{.speed = {}, .data_parallel = data_parallel_};
    for (const PartitionDevice& device : setting_.devices) machine.speed.push_back(device.speed);
    const Schedule whole = add_collectives(result.schedule, data_parallel_);
    result.simulation = simulate(lower(whole, result.plan), result.plan, result.links, machine);
    for (const ActionTime& update : result.simulation.update)
      result.update_s = std::max(result.update_s, update.end_s - update.start_s);
    return result;
  }

  // Of the first device that holds too much, the stage that gives back most; none where all devices
  // are within their limits or nothing is left to give.
  std::optional<size_t> stage_to_recompute(const PreparedPlan& plan,
                                           const std::vector<bool>& again) const {
    const std::vector<int> held = in_flight_of_stages(plan.schedule, stages());
    for (size_t d = 0; d < setting_.devices.size(); ++d) {
      const int64_t limit = setting_.devices[d].memory_bytes;
      if (limit == 0 || plan.simulation.peak_memory[d].bytes <= limit) continue;
      std::optional<size_t> best;
      int64_t most = 0;
      for (size_t s = 0; s < again.size(); ++s) {
        const int64_t bytes = plan.plan.cost[s].activation_bytes * (held[s] - 1);
        if (plan.plan.device[s] != static_cast<int>(d) || again[s] || bytes <= most) continue;
        best = s;
        most = bytes;
      }
      return best;
    }
    return std::nullopt;
  }

  const PreparedModel& prepared_;
  const Scheduler& scheduler_;
  PartitionSetting setting_;
  DeviceRates rates_;
  Links links_;
  DataParallel data_parallel_;
  std::vector<double> node_seconds_;
  const Recompute mode_;
};

PartitionProblem problem_for(const std::shared_ptr<const Planner>& planner, bool simulate) {
  PartitionProblem problem = planner->problem();
  if (!simulate) return problem;
  problem.simulate = [planner, asked = problem](const std::vector<int>& stage_of_unit) {
    try {
      check_partition(asked, stage_of_unit, "cuts to be simulated");
      return planner->plan(stage_of_unit).simulation.step_s;
    } catch (const Error&) {
      return std::numeric_limits<double>::infinity();
    }
  };
  return problem;
}

PreparedPlan planned(const std::shared_ptr<const Planner>& planner,
                     const PartitionStrategy& strategy, bool simulate) {
  PartitionProblem problem = problem_for(planner, simulate);
  const std::vector<int> stage_of_unit = strategy.partition(problem);
  check_partition(problem, stage_of_unit, strategy.name());
  PreparedPlan result = planner->plan(stage_of_unit);
  result.score = score_partition(problem, stage_of_unit);
  problem.simulate = nullptr;
  result.problem = std::move(problem);
  return result;
}

}  // namespace

PartitionProblem plan_problem(const PreparedModel& prepared, const RunConfig& config,
                              const Scheduler& scheduler, const PlanCosts& costs) {
  const Recompute mode = recompute_of(config) == Recompute::all ? Recompute::all : Recompute::none;
  return problem_for(std::make_shared<const Planner>(prepared, config, scheduler, costs, mode),
                     config.simulate_cuts);
}

PreparedPlan prepare_plan(const PreparedModel& prepared, const RunConfig& config,
                          const Scheduler& scheduler, const PartitionStrategy& strategy,
                          const PlanCosts& costs) {
  const auto plan = [&](Recompute mode) {
    return planned(std::make_shared<const Planner>(prepared, config, scheduler, costs, mode),
                   strategy, config.simulate_cuts);
  };
  const Recompute mode = recompute_of(config);
  if (mode != Recompute::where_needed) return plan(mode);
  try {
    return plan(Recompute::none);
  } catch (const Error&) {
    // A partitioner's refusal does not tell its reason, so this may be for naught; as a rule some
    // device would hold too much, and stages that may compute again are cut otherwise.
    return plan(mode);
  }
}

PreparedPlan plan_of_cut(const PreparedModel& prepared, const RunConfig& config,
                         const Scheduler& scheduler, const std::vector<int>& stage_of_unit,
                         const PlanCosts& costs) {
  return Planner(prepared, config, scheduler, costs, recompute_of(config)).plan(stage_of_unit);
}

std::vector<StageCost> unit_costs(const PreparedModel& prepared, const RunConfig& config,
                                  const std::vector<double>& node_seconds) {
  std::vector<int> stage_of_unit;
  for (const Node& node : prepared.training.graph.nodes())
    if (node.phase == Phase::forward)
      stage_of_unit.push_back(static_cast<int>(stage_of_unit.size()));
  PartitionSetting setting;
  setting.device_of_stage.assign(stage_of_unit.size(), 0);
  setting.optimizer_bytes_per_parameter_byte = optimizer_bytes_per_parameter_byte(prepared, config);
  return stage_plan(prepared.training, stage_of_unit, node_seconds, setting).cost;
}

}  // namespace headrace
