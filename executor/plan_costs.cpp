#include <algorithm>

#include "executor/calibrate.h"
#include "executor/session.h"
#include "executor/time_node.h"
#include "graph/error.h"
#include "graph/nearest.h"
#include "partitioner/reuse.h"

namespace headrace {
namespace {

bool names_file(const std::string& cost) {
  return cost.find('/') != std::string::npos || cost.ends_with(".json");
}

// A form's seconds where this share of what it touches lies outside the cache.
double between(const NodeCost& cost, double cold_share) {
  return cost.seconds + cold_share * (cost.cold_s - cost.seconds);
}

// The measured costs of all nodes; analytic ones for those that the table lacks.
void take_from_table(const TrainingGraph& training, int microbatches, PlanCosts& costs) {
  const Graph& graph = training.graph;
  const auto accumulated = accumulated_outputs(training);
  const auto cold = cold_shares(training, costs.rates.cache_bytes);
  costs.node_seconds = costs.analytic_seconds;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const NodeCost* first = costs.table.find(graph, node);
    const NodeCost* other =
        accumulated[n].empty() ? first : costs.table.find(graph, node, accumulated[n]);
    if (first == nullptr || other == nullptr) {
      ++costs.estimated;
      continue;
    }
    costs.node_seconds[n] =
        (between(*first, cold[n]) + (microbatches - 1) * between(*other, cold[n])) / microbatches;
  }
}

// Beside the forms of `training` the cache holds those of other models.
CostTable forms_of(const TrainingGraph& training, const CostTable& table) {
  const Graph& graph = training.graph;
  const auto accumulated = accumulated_outputs(training);
  CostTable result{.rates = table.rates};
  const auto take = [&](const std::string& form) { result.nodes[form] = table.nodes.at(form); };
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    take(form_of(graph, graph.nodes()[n]));
    if (!accumulated[n].empty()) take(form_of(graph, graph.nodes()[n], accumulated[n]));
  }
  return result;
}

}  // namespace

PlanCosts plan_costs(const PreparedModel& prepared, const RunConfig& config, Device& device) {
  const TrainingGraph& training = prepared.training;
  const bool from_file = names_file(config.cost), profiled = config.cost == "profile";
  const std::vector<std::string> known = {"analytic", "profile"};
  if (!from_file && std::find(known.begin(), known.end(), config.cost) == known.end())
    throw Error("--cost: unknown '{}'; did you mean '{}'? (a file ends in .json)", config.cost,
                nearest(config.cost, known));
  PlanCosts costs;
  if (from_file) {
    costs.table = read_cost_table(config.cost);
    costs.rates = costs.table.rates;
  } else {
    device.bind_thread();
    costs.rates = cached_rates(device);
  }
  costs.analytic_seconds = node_seconds(training, config.microbatches, costs.rates);
  costs.node_seconds = costs.analytic_seconds;
  if (profiled) {
    CostTable cached = cached_cost_table(costs.rates.machine);
    cached.rates = costs.rates;
    costs.measured = measure_missing(device, training, cached);
    if (costs.measured > 0) cache_cost_table(cached);
    costs.table = forms_of(training, cached);
  }
  if (from_file || profiled) take_from_table(training, config.microbatches, costs);
  const Links links = measured_links(costs.rates);
  costs.data_parallel = {.replicas = config.data_parallel,
                         .link = {.latency_s = links.latency_s, .bytes_per_s = links.bytes_per_s}};
  return costs;
}

Links measured_links(const DeviceRates& rates) {
  return {.latency_s = rates.copy_latency_s,
          .bytes_per_s = rates.copy_bytes_per_s,
          .send_when_ready = true};
}

}  // namespace headrace
