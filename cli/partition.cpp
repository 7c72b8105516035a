#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "cli/command.h"
#include "cli/graphviz.h"
#include "cli/json_output.h"
#include "cli/partition_answers.h"
#include "cli/partition_report.h"
#include "cli/plugin_choice.h"
#include "cli/quantity.h"
#include "cli/text_table.h"
#include "executor/device_limits.h"
#include "executor/devices.h"
#include "executor/seconds_since.h"
#include "executor/session.h"
#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/parse_number.h"
#include "partitioner/cost_graph.h"

namespace headrace {
namespace {

using nlohmann::ordered_json;

constexpr size_t kDevicesListed = 4;
constexpr const char* kTimeLimit = "time-limit";

// "--devices 6" of a graph of costs has no kind.
int cost_devices(const std::string& text) {
  const auto count = parse_number<int>(text);
  if (!count) return device_count(text);
  if (*count < 1 || *count > 65536) throw Error("--devices {}: is not 1 to 65536", text);
  return *count;
}

PartitionQuestion ask_costs(const Settings& settings) {
  if (!settings.run.model.empty())
    throw Error("partition: give a model or --costs, not both: {}", settings.run.model);
  const PartitionSettings& asked = settings.partition;
  CostGraph graph = read_cost_graph(asked.costs);
  if (!asked.devices.empty()) resize_devices(graph, cost_devices(asked.devices));
  if (graph.devices.empty())
    throw Error("{}: says nothing of devices; give --devices N", asked.costs);
  if (!settings.run.memory.empty()) {
    const auto limits = memory_limits(settings.run.memory, static_cast<int>(graph.devices.size()));
    for (size_t d = 0; d < limits.size(); ++d) graph.devices[d].memory_bytes = limits[d];
  }
  CostProblem costs = cost_problem(graph, settings.run.stages_per_device, asked.contiguous);
  PartitionQuestion question{.source = asked.costs,
                             .size = fmt::format("{} nodes, {} of them apart", graph.nodes.size(),
                                                 costs.problem.nodes.size()),
                             .problem = std::move(costs.problem),
                             .unit_of_node = std::move(costs.unit_of_node)};
  for (CostNode& node : graph.nodes) question.nodes.push_back(std::move(node.id));
  return question;
}

// Forward nodes by name; where names are missing or twice, behind a number.
std::vector<std::string> forward_names(const Graph& graph) {
  std::vector<std::string> names;
  std::set<std::string> taken{""};
  for (const Node& node : graph.nodes()) {
    if (node.phase != Phase::forward) continue;
    std::string name = node.name;
    if (!taken.insert(name).second)
      name = fmt::format("{}:{}", names.size(), name.empty() ? node.op : name);
    names.push_back(std::move(name));
  }
  return names;
}

PartitionQuestion ask_model(const Settings& settings) {
  if (!settings.partition.contiguous)
    throw Error("--contiguous=false: a pipeline runs contiguous stages; it is for --costs");
  RunConfig run = settings.run;
  auto scheduler =
      plugin_registry(settings).load_scheduler(settings.scheduler, settings.scheduler_options);
  const auto device = make_first_device(run);
  PreparedModel prepared = prepare_model(run, *device);
  PlanCosts costs = plan_costs(prepared, run, *device);
  auto model = std::make_unique<const PartitionedModel>(PartitionedModel{
      std::move(run), std::move(scheduler), std::move(prepared), std::move(costs)});
  PartitionQuestion question{
      .problem = plan_problem(model->model, model->run, *model->scheduler, model->costs),
      .nodes = forward_names(model->model.training.graph)};
  question.source = model->run.model;
  question.size = fmt::format("{} forward nodes, {} micro-batches", question.nodes.size(),
                              model->run.microbatches);
  for (size_t n = 0; n < question.nodes.size(); ++n)
    question.unit_of_node.push_back(static_cast<int>(n));
  question.model = std::move(model);
  return question;
}

// --partitioner-option and --time-limit go to every strategy that has such an option.
class StrategyOptions {
 public:
  StrategyOptions(const Settings& settings, const PluginRegistry& registry,
                  const std::vector<std::string>& strategies)
      : given_(settings.partitioner_options) {
    given_.try_emplace(kTimeLimit, fmt::format("{:.9g}", settings.partition.time_limit));
    std::set<std::string> known;
    for (const PluginInfo& plugin : registry.list("partitioner"))
      if (std::ranges::find(strategies, plugin.name) != strategies.end())
        for (const PluginOption& option : plugin.options)
          known_[plugin.name].insert(option.name), known.insert(option.name);
    for (const auto& [name, value] : settings.partitioner_options) {
      if (known.contains(name)) continue;
      const std::vector<std::string> names(known.begin(), known.end());
      throw Error("--partitioner-option {}: no strategy here knows it{}", name,
                  names.empty() ? "" : fmt::format("; did you mean '{}'?", nearest(name, names)));
    }
  }

  OptionValues of(const std::string& strategy) const {
    OptionValues values;
    const auto found = known_.find(strategy);
    for (const auto& [name, value] : given_)
      if (found != known_.end() && found->second.contains(name)) values[name] = value;
    return values;
  }

 private:
  OptionValues given_;
  std::map<std::string, std::set<std::string>> known_;
};

StrategyRow solve(const std::string& name, const PartitionStrategy& strategy,
                  const PartitionProblem& problem) {
  spdlog::info("{}", name);
  StrategyRow row{.name = name};
  const auto start = std::chrono::steady_clock::now();
  try {
    row.answer = strategy.solve(problem);
    check_partition(problem, row.answer.stage_of_node, name);
    row.score = score_partition(problem, row.answer.stage_of_node);
  } catch (const Error& error) {
    const std::string text = error.what();
    row.refused = text.substr(0, text.find('\n'));
  }
  row.solve_s = seconds_since(start);
  return row;
}

// The best that is proved by anyone holds for all.
double best_bound(const PartitionProblem& problem, const std::vector<StrategyRow>& rows) {
  double bound_s = work_bound(problem);
  std::string whose = "an equal share of the work";
  for (const StrategyRow& row : rows)
    if (row.refused.empty() && row.answer.lower_bound_s > bound_s) {
      bound_s = row.answer.lower_bound_s;
      whose = row.name;
    }
  for (const StrategyRow& row : rows)
    if (row.refused.empty() && row.score.bottleneck_s * kRounding < bound_s)
      throw RunError("partitioner {}: proves {} s, but {} has {} s", whose, bound_s, row.name,
                     row.score.bottleneck_s);
  return bound_s;
}

void report_json(const PartitionQuestion& question, const std::vector<StrategyRow>& rows,
                 double bound_s) {
  const PartitionProblem& problem = question.problem;
  ordered_json strategies = ordered_json::array(), refused = ordered_json::array();
  for (const StrategyRow& row : rows) {
    if (!row.refused.empty()) {
      refused.push_back({{"name", row.name}, {"refused", row.refused}});
      continue;
    }
    ordered_json assignment = ordered_json::object();
    for (size_t n = 0; n < question.nodes.size(); ++n) {
      const int stage = row.answer.stage_of_node[static_cast<size_t>(question.unit_of_node[n])];
      assignment[question.nodes[n]] = problem.device_of_stage[static_cast<size_t>(stage)];
    }
    strategies.push_back({{"name", row.name},
                          {"bottleneck_s", row.score.bottleneck_s},
                          {"device_s", row.score.device_s},
                          {"device_bytes", row.score.device_bytes},
                          {"cut_bytes", row.score.cut_bytes},
                          {"cut_s", row.score.cut_s},
                          {"lower_bound_s", std::min(bound_s, row.score.bottleneck_s)},
                          {"solve_s", row.solve_s},
                          {"optimal", is_optimal(row, bound_s)},
                          {"assignment", std::move(assignment)}});
  }
  print_json({{"devices", problem.devices.size()},
              {"stages", problem.stages()},
              {"nodes", question.nodes.size()},
              {"contiguous", problem.contiguous},
              {"lower_bound_s", bound_s},
              {"strategies", std::move(strategies)},
              {"refused", std::move(refused)}});
}

std::string memory_text(const std::vector<int64_t>& bytes) {
  std::vector<std::string> texts;
  for (const int64_t count : bytes) texts.push_back(show_bytes(static_cast<double>(count)));
  if (bytes.size() <= kDevicesListed) return fmt::format("{}", fmt::join(texts, ", "));
  const auto [least, most] = std::ranges::minmax_element(bytes);
  return texts[static_cast<size_t>(least - bytes.begin())] + " to " +
         texts[static_cast<size_t>(most - bytes.begin())];
}

void report_text(const PartitionQuestion& question, const std::vector<StrategyRow>& rows,
                 double bound_s) {
  const PartitionProblem& problem = question.problem;
  fmt::print("{}: {}; {} devices, {} stages{}\nno partition has a bottleneck of less than {}\n\n",
             question.source, question.size, problem.devices.size(), problem.stages(),
             problem.contiguous ? "" : ", contiguous or not", show_seconds(bound_s));
  TextTable table({{"strategy"},
                   {"bottleneck", Align::right},
                   {"to the bound", Align::right},
                   {""},
                   {"cut", Align::right},
                   {"transfers", Align::right},
                   {"memory of each device"},
                   {"solved in", Align::right}});
  for (const StrategyRow& row : rows) {
    if (!row.refused.empty()) continue;
    table.add({row.name, show_seconds(row.score.bottleneck_s),
               fmt::format("{:.4f}", bound_s > 0 ? row.score.bottleneck_s / bound_s : 1),
               is_optimal(row, bound_s) ? "optimal" : "",
               show_bytes(static_cast<double>(row.score.cut_bytes)), show_seconds(row.score.cut_s),
               memory_text(row.score.device_bytes), show_seconds(row.solve_s)});
  }
  fmt::print("{}", table.text());
  for (const StrategyRow& row : rows)
    if (!row.refused.empty()) fmt::print("{}: {}\n", row.name, row.refused);
}

}  // namespace

void partition_command(const Settings& settings) {
  std::optional<Graphviz> graphviz;
  if (!settings.report.empty()) graphviz.emplace();
  const PluginRegistry registry = plugin_registry(settings);
  const std::vector<std::string>& given = settings.partition.strategies;
  const std::vector<std::string> names =
      given.empty() ? found_plugins(registry, "partitioner") : listed_names(given, "--partitioner");
  const StrategyOptions options(settings, registry, names);
  std::map<std::string, std::unique_ptr<PartitionStrategy>> strategies;
  for (const std::string& name : names)
    strategies[name] = registry.load_partitioner(name, options.of(name));
  const PartitionQuestion question =
      settings.partition.costs.empty() ? ask_model(settings) : ask_costs(settings);
  if (graphviz) check_partition_drawable(question.problem);

  std::vector<StrategyRow> rows;
  for (const std::string& name : names)
    rows.push_back(solve(name, *strategies[name], question.problem));
  std::ranges::stable_sort(rows, {}, [](const StrategyRow& row) {
    return std::pair(!row.refused.empty(), row.score.bottleneck_s);
  });
  if (rows.empty()) throw Error("partition: no partitioner is found");
  if (!rows.front().refused.empty())
    throw Error("partition: no strategy has an answer; {}", rows.front().refused);
  const double bound_s = best_bound(question.problem, rows);
  if (graphviz) write_partition_report(settings.report, question, rows, bound_s, *graphviz);
  settings.json ? report_json(question, rows, bound_s) : report_text(question, rows, bound_s);
}

}  // namespace headrace
