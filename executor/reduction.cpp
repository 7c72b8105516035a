#include "executor/reduction.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace headrace {
namespace {

class Planner {
 public:
  Planner(const ReductionSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
          std::vector<Transfer>& transfers)
      : spec_(spec),
        memories_(memories),
        transfers_(transfers),
        replicas_(static_cast<size_t>(spec.replicas)),
        devices_(memories.size() / replicas_),
        result_(memories.size()) {}

  std::vector<DeviceReduction> plan() {
    if (replicas_ == 1) return std::move(result_);
    const auto made = contributions_of_stages();
    for (size_t s = 0; s < made.size(); ++s)
      if (!made[s].empty()) add_stage(static_cast<int>(s), made[s]);
    return std::move(result_);
  }

 private:
  std::vector<std::vector<ValueId>> contributions_of_stages() const {
    const StagePlan& plan = *spec_.plan;
    std::set<ValueId> all;
    for (const auto& gradient : *spec_.gradients)
      all.insert(gradient.contributions.begin(), gradient.contributions.end());
    std::vector<std::vector<ValueId>> made(plan.nodes.size());
    for (size_t s = 0; s < made.size(); ++s)
      for (const NodeId node : plan.nodes[s])
        for (const ValueId output : spec_.graph->node(node).outputs)
          if (all.contains(output)) made[s].push_back(output);
    return made;
  }

  // The largest first, each to the replica that owns least of the device's so far.
  std::vector<std::vector<ValueId>> shared_out(std::vector<ValueId> contributions,
                                               std::vector<int64_t>& bytes) const {
    std::ranges::stable_sort(contributions, std::ranges::greater(),
                             [&](ValueId c) { return spec_.graph->value(c).bytes(); });
    std::vector<std::vector<ValueId>> owned(replicas_);
    bytes.resize(replicas_);
    for (const ValueId c : contributions) {
      const auto least = static_cast<size_t>(std::ranges::min_element(bytes) - bytes.begin());
      owned[least].push_back(c);
      bytes[least] += spec_.graph->value(c).bytes();
    }
    return owned;
  }

  void add_stage(int stage, const std::vector<ValueId>& contributions) {
    const auto place = static_cast<size_t>(spec_.plan->device[static_cast<size_t>(stage)]);
    const auto owned = shared_out(contributions, owned_bytes_[place]);
    const auto device = [&](size_t replica) { return replica * devices_ + place; };
    const auto sum = [](DeviceMemory& memory, ValueId c) { return memory.gradient(c); };
    for (size_t owner = 0; owner < replicas_; ++owner) {
      if (owned[owner].empty()) continue;
      DeviceReduction& at_owner = result_[device(owner)];
      at_owner.owned.insert(at_owner.owned.end(), owned[owner].begin(), owned[owner].end());
      for (size_t other = 0; other < replicas_; ++other) {
        if (other == owner) continue;
        DeviceReduction& at_other = result_[device(other)];
        const auto replica = static_cast<int>(other);
        at_other.sends[stage].push_back(transfers_.size());
        at_owner.posts[stage].push_back(transfers_.size());
        add(stage, device(other), device(owner), "gradients", owned[owner], sum,
            [&](DeviceMemory& memory, ValueId c) { return received_gradient(memory, c, replica); });
        at_owner.sum_sends.push_back(transfers_.size());
        at_other.sum_posts.push_back(transfers_.size());
        add(stage, device(owner), device(other), "summed gradients", owned[owner], sum, sum);
      }
    }
  }

  template <typename Source, typename Target>
  void add(int stage, size_t from, size_t to, const char* what,
           const std::vector<ValueId>& contributions, const Source& source, const Target& target) {
    Transfer transfer{.from = static_cast<int>(from),
                      .to = static_cast<int>(to),
                      .parts = {},
                      .name = fmt::format("{} of stage {}", what, stage)};
    for (const ValueId c : contributions)
      transfer.parts.push_back({.source = memories_[from] ? source(*memories_[from], c) : nullptr,
                                .target = memories_[to] ? target(*memories_[to], c) : nullptr,
                                .bytes = static_cast<size_t>(spec_.graph->value(c).bytes())});
    transfers_.push_back(std::move(transfer));
  }

  const ReductionSpec& spec_;
  const std::vector<std::unique_ptr<DeviceMemory>>& memories_;
  std::vector<Transfer>& transfers_;
  const size_t replicas_, devices_;
  std::map<size_t, std::vector<int64_t>> owned_bytes_;  // by device of a replica, of each replica
  std::vector<DeviceReduction> result_;
};

}  // namespace

std::vector<DeviceReduction> plan_reduction(
    const ReductionSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
    std::vector<Transfer>& transfers) {
  return Planner(spec, memories, transfers).plan();
}

void* received_gradient(DeviceMemory& memory, ValueId contribution, int replica) {
  return memory.slot(contribution, replica);
}

}  // namespace headrace
