#include "executor/agreed.h"

#include "graph/error.h"

namespace headrace {
namespace {

// What rank 0 finds, in rank 0; others get nothing yet. Together: what it refuses all refuse.
template <typename Find>
auto found_by_first(ProcessGroup& group, const Find& find) {
  if (group.size() == 1) return find();
  decltype(find()) found{};
  std::string refusal;
  if (group.rank() == 0) {
    try {
      found = find();
    } catch (const Error& error) {
      refusal = error.what();
    }
  }
  broadcast(group, refusal, 0);
  if (!refusal.empty()) throw Error("{}", refusal);
  return found;
}

class Alone {
 public:
  explicit Alone(const AgreedScheduler& scheduler) : scheduler_(scheduler) {
    scheduler_.set_alone(true);
  }
  ~Alone() { scheduler_.set_alone(false); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  const AgreedScheduler& scheduler_;
};

}  // namespace

PlanCosts agreed(ProcessGroup& group, PlanCosts costs) {
  broadcast(group, costs.rates.machine, 0);
  for (const NamedRate& rate : kDeviceRates) broadcast(group, costs.rates.*rate.value, 0);
  broadcast(group, costs.node_seconds, 0);
  broadcast(group, costs.data_parallel, 0);
  return costs;
}

std::vector<int> AgreedScheduler::place(int devices, int stages_per_device,
                                        int microbatches) const {
  const auto find = [&] { return inner_.place(devices, stages_per_device, microbatches); };
  if (alone_) return find();
  auto placed = found_by_first(group_, find);
  broadcast(group_, placed, 0);
  return placed;
}

Schedule AgreedScheduler::schedule(const ScheduleRequest& request) const {
  const auto find = [&] { return inner_.schedule(request); };
  if (alone_) return find();
  Schedule schedule = found_by_first(group_, find);
  broadcast(group_, schedule.stages, 0);
  broadcast(group_, schedule.microbatches, 0);
  broadcast(group_, schedule.device_of_stage, 0);
  schedule.devices.resize(static_cast<size_t>(request.devices));
  for (auto& actions : schedule.devices) broadcast(group_, actions, 0);
  return schedule;
}

PartitionAnswer AgreedStrategy::solve(const PartitionProblem& problem) const {
  PartitionAnswer answer = found_by_first(group_, [&] {
    const Alone search(scheduler_);
    return inner_.solve(problem);
  });
  broadcast(group_, answer.stage_of_node, 0);
  broadcast(group_, answer.lower_bound_s, 0);
  return answer;
}

}  // namespace headrace
