#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/cost_table.h"
#include "executor/losses.h"
#include "executor/pipeline.h"
#include "executor/run_config.h"
#include "loader/model.h"
#include "partitioner/cost_model.h"
#include "partitioner/partition_graph.h"
#include "partitioner/strategy.h"
#include "scheduler/scheduler.h"

namespace headrace {

// A model made ready for training: loaded, with its losses, differentiated, layouts settled.
struct PreparedModel {
  Model model;  // as loaded, for writing back; its graph is consumed
  TrainingGraph training;
  std::vector<ValueId> inputs;  // fed from the data, without targets
  std::vector<ValueId> targets;
  std::vector<ValueId> correct_counts;
  std::optional<ValueId> counted_target;
  int64_t targets_per_microbatch = 0;
  int64_t microbatch_size = 0;  // samples
};

// What planning knows of the devices, all of one kind, and of the machine around them.
struct PlanCosts {
  DeviceRates rates;
  std::vector<double> node_seconds;  // of every node of the training graph, per micro-batch
  std::vector<double> analytic_seconds = {};  // the same from the rates alone
  CostTable table = {};                       // of its forms, where they were measured
  int64_t measured = 0;                       // forms that were run now: the others were known
  int64_t estimated = 0;            // nodes that the file of costs lacks: their costs are analytic
  std::optional<Links> links = {};  // none: copies within this machine, by the rates
  DataParallel data_parallel = {};  // replicas of the whole pipeline
};

// Copies within this machine, as its devices' rates say.
Links measured_links(const DeviceRates& rates);

// What will run where and when, and what that is predicted to take.
struct PreparedPlan {
  // The model's graph with the nodes that stages run once more; null: none does.
  std::shared_ptr<const TrainingGraph> recomputed;
  std::vector<double> node_seconds;
  PartitionProblem problem;
  std::vector<int> stage_of_unit;
  PartitionScore score;
  StagePlan plan;
  Schedule schedule;  // compute actions, validated
  Links links;
  Simulation simulation;
  double update_s = 0;  // predicted, the longest of all devices
};

// The micro-batches of a step over all replicas: what a batch is divided by.
int64_t microbatches_in_all(const RunConfig& config);

// The chain of a run (docs: README's tour), each step a value that the next one takes. Nothing runs
// on a device before make_pipeline.
PreparedModel prepare_model(const RunConfig& config, Device& device);
// Costs by config.cost: "analytic" from the device's rates, "profile" from running each distinct
// node of the model on the device, or those of a file (cost_table.h), its rates included. What is
// measured comes from the cache or is measured now.
PlanCosts plan_costs(const PreparedModel& prepared, const RunConfig& config, Device& device);
// What a strategy is asked to do: the model's units, the devices, and the stages as the scheduler
// places them. Under "auto" (prepare_plan) that nothing is recomputed. Borrows the model and the
// scheduler for its simulation of cuts.
PartitionProblem plan_problem(const PreparedModel& prepared, const RunConfig& config,
                              const Scheduler& scheduler, const PlanCosts& costs);
// Stages compute their activations once more in the backward pass, in place of keeping them
// (graph/recompute.h), as config.recompute says: "none"; "stage", all that hold more than one
// micro-batch at a time; or "auto", as few as keep every device within config.memory, none without
// it. Throws Error when a device would hold more than that, by the partitioner's count or at the
// schedule's peak.
PreparedPlan prepare_plan(const PreparedModel& prepared, const RunConfig& config,
                          const Scheduler& scheduler, const PartitionStrategy& strategy,
                          const PlanCosts& costs);
// The same for a cut that is known: everything but the problem and its score.
PreparedPlan plan_of_cut(const PreparedModel& prepared, const RunConfig& config,
                         const Scheduler& scheduler, const std::vector<int>& stage_of_unit,
                         const PlanCosts& costs);
// What every forward node costs with all that stays with it, as a stage by itself.
std::vector<StageCost> unit_costs(const PreparedModel& prepared, const RunConfig& config,
                                  const std::vector<double>& node_seconds);
// The graph that a plan runs.
const TrainingGraph& graph_of(const PreparedModel& prepared, const PreparedPlan& plan);
std::unique_ptr<Pipeline> make_pipeline(const PreparedModel& prepared, const PreparedPlan& plan,
                                        const RunConfig& config,
                                        std::vector<std::unique_ptr<Device>> devices,
                                        const Processes& processes = {});

// Bytes per device of all replicas by the plan alone: weights, gradients, optimizer state and the
// chunks in flight.
std::vector<int64_t> predicted_peak_bytes(const PreparedPlan& plan, int replicas = 1);

// The model's weights by name, as the pipeline holds them now: parameters and states.
std::map<std::string, HostTensor> read_weights(const Pipeline& pipeline);

// Digest of the parameters among a model's weights, in name order (sha256.h): equal for equal bits.
std::string parameters_sha256(const Graph& graph, const std::map<std::string, HostTensor>& weights);

}  // namespace headrace
