#pragma once

#include <map>
#include <vector>

#include "executor/program.h"
#include "partitioner/stage_plan.h"
#include "scheduler/schedule.h"

namespace headrace {

// One message of the plan: all values that go from one stage to another in one direction for one
// micro-batch. Each end fills in its places when its program is compiled.
struct PlannedTransfer {
  int from_stage = 0, to_stage = 0, microbatch = 0;
  Phase phase = Phase::forward;
  int from_device = 0, to_device = 0;
  struct Part {
    size_t channel = 0;
    int64_t bytes = 0;
    Place source, target;
  };
  std::vector<Part> parts;
};

// The transfers of a plan, found by the schedule's actions and by the channels they carry.
class TransferTable {
 public:
  TransferTable(const StagePlan& plan, int microbatches);

  // The transfer that a SEND or RECV action stands for.
  size_t of(const Action& action) const;
  // The transfer that carries `channel` for `microbatch`; none within a device.
  size_t carrying(size_t channel, int microbatch) const;
  // The channel that brings `value` to `stage`.
  size_t channel(ValueId value, int stage) const;
  // Channels that leave from the stage that makes `value`, between devices.
  const std::vector<size_t>& leaving(ValueId value) const;

  std::vector<PlannedTransfer> transfers;

 private:
  using Key = std::tuple<int, int, Phase, int>;
  std::map<Key, size_t> by_ends_;
  std::map<std::pair<ValueId, int>, size_t> channel_of_;
  std::map<ValueId, std::vector<size_t>> leaving_;
  std::vector<Channel> channels_;
};

}  // namespace headrace
