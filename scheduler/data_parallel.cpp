#include "scheduler/data_parallel.h"

#include <algorithm>
#include <map>

#include "graph/error.h"

namespace headrace {
namespace {

// Actions of one stage that follow each other, as positions in a device's list.
struct Run {
  int stage = 0;
  size_t first = 0, last = 0;
};

bool makes_gradients(ActionKind kind) {
  return kind == ActionKind::backward || kind == ActionKind::backward_weight;
}
// W needs activations and gradients, not the parameters.
bool reads_parameters(ActionKind kind, bool forward) {
  return forward ? kind == ActionKind::forward
                 : kind == ActionKind::backward || kind == ActionKind::backward_input;
}

template <typename Belongs>
std::vector<Run> runs_of(const std::vector<Action>& actions, Regather regather, Belongs belongs) {
  std::vector<Run> runs;
  for (size_t i = 0; i < actions.size(); ++i)
    for (const Action& part : ActionParts(actions[i])) {
      if (!belongs(part.kind)) continue;
      if (regather == Regather::microbatch || runs.empty() || runs.back().stage != part.stage)
        runs.push_back({.stage = part.stage, .first = i, .last = i});
      else
        runs.back().last = i;
    }
  return runs;
}

// How long a device needs which parameters, in order of first use.
std::vector<Run> visits_of(const std::vector<Action>& actions, Regather regather) {
  std::vector<Run> all;
  for (const bool forward : {true, false}) {
    const auto runs = runs_of(actions, regather,
                              [&](ActionKind kind) { return reads_parameters(kind, forward); });
    all.insert(all.end(), runs.begin(), runs.end());
  }
  std::ranges::stable_sort(all, {}, &Run::first);
  if (regather == Regather::microbatch) return all;
  std::vector<Run> visits;
  std::map<int, size_t> latest;  // of a stage
  for (const Run& run : all) {
    const auto known = latest.find(run.stage);
    if (known != latest.end() && run.first <= visits[known->second].last + 1) {
      visits[known->second].last = std::max(visits[known->second].last, run.last);
    } else {
      latest[run.stage] = visits.size();
      visits.push_back(run);
    }
  }
  return visits;
}

class Device {
 public:
  Device(const std::vector<Action>& actions, const DataParallel& data_parallel)
      : actions_(actions),
        data_parallel_(data_parallel),
        before_(actions.size() + 1),
        behind_(actions.size() + 1) {}

  std::vector<Action> run() {
    if (data_parallel_.sharding == Sharding::none) reduce_once();
    if (data_parallel_.sharding == Sharding::gradients) gather_once();
    if (data_parallel_.sharding == Sharding::weights) gather_each_visit();
    if (data_parallel_.sharding != Sharding::none)
      for (const Run& run : runs_of(actions_, data_parallel_.regather, makes_gradients))
        behind_[run.last].push_back(collective(ActionKind::reduce_grad, run.stage));
    std::vector<Action> result;
    for (size_t i = 0; i < actions_.size(); ++i) {
      result.insert(result.end(), before_[i].begin(), before_[i].end());
      result.push_back(actions_[i]);
      result.insert(result.end(), behind_[i].begin(), behind_[i].end());
    }
    return result;
  }

 private:
  static Action collective(ActionKind kind, int stage) {
    return {.kind = kind, .stage = stage, .microbatch = -1};
  }

  void reduce_once() {
    std::map<int, size_t> last;
    for (const Run& run : runs_of(actions_, Regather::stage, makes_gradients))
      last[run.stage] = run.last;
    for (const auto& [stage, position] : last)
      behind_[position].push_back(collective(ActionKind::reduce_grad, stage));
  }

  // All of them are there to be gathered when the step begins, in order of use.
  void gather_once() {
    std::map<int, bool> gathered;
    for (const Run& visit : visits_of(actions_, Regather::stage))
      if (!gathered[visit.stage]) {
        gathered[visit.stage] = true;
        before_[0].push_back(collective(ActionKind::unshard, visit.stage));
      }
  }

  void gather_each_visit() {
    const std::vector<Run> visits = visits_of(actions_, data_parallel_.regather);
    for (size_t v = 0; v < visits.size(); ++v) {
      const size_t asked = v == 0 ? 0 : visits[v - 1].first;
      before_[asked].push_back(collective(ActionKind::unshard, visits[v].stage));
      behind_[visits[v].last].push_back(collective(ActionKind::reshard, visits[v].stage));
    }
  }

  const std::vector<Action>& actions_;
  const DataParallel& data_parallel_;
  std::vector<std::vector<Action>> before_, behind_;  // per position in the list
};

double hops_s(const DataParallel& data_parallel, int64_t bytes) {
  const Link& link = data_parallel.link;
  const int hops = data_parallel.replicas - 1;
  const double share = static_cast<double>(bytes) * hops / data_parallel.replicas;
  return hops * link.latency_s + (link.bytes_per_s > 0 ? share / link.bytes_per_s : 0);
}

}  // namespace

double DataParallel::gather_s(const StageCost& cost) const {
  return hops_s(*this, cost.parameter_bytes);
}

double DataParallel::reduce_s(const StageCost& cost) const {
  const double one_way = hops_s(*this, cost.gradient_bytes);
  return sharding == Sharding::none ? 2 * one_way : one_way;
}

int64_t DataParallel::shard(int64_t bytes) const { return (bytes + replicas - 1) / replicas; }

int64_t DataParallel::together(int64_t bytes) const {
  return regather == Regather::stage ? bytes : (bytes + layers_per_stage - 1) / layers_per_stage;
}

Schedule add_collectives(const Schedule& compute, const DataParallel& data_parallel) {
  HEADRACE_CHECK(data_parallel.replicas >= 1);
  if (data_parallel.replicas == 1) return compute;
  for (const std::vector<Action>& actions : compute.devices)
    for (const Action& action : actions)
      HEADRACE_CHECK(is_compute(action.kind), "collectives come before transfers");
  Schedule schedule = compute;
  for (std::vector<Action>& actions : schedule.devices) {
    const std::vector<Action> original = std::move(actions);
    actions = Device(original, data_parallel).run();
  }
  return schedule;
}

}  // namespace headrace
