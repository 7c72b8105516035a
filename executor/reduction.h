#pragma once

#include <map>
#include <memory>
#include <vector>

#include "executor/communicator.h"
#include "executor/device_memory.h"
#include "graph/autodiff.h"
#include "partitioner/stage_plan.h"

namespace headrace {

// How the replicas of a pipeline bring their gradients together: every gradient has one owner among
// the replicas, who gets it from all others (a reduction to shards), sums it in the order of the
// replicas, and gives the sum to all (a gather). Where gradients are many, each device so sends and
// receives about 2 (r-1)/r of their bytes, and receives into (r-1)/r of them beside its own. The
// bits do not depend on the transport.

// What one device has to do for it; transfers by number, gradients as contributions (autodiff.h).
struct DeviceReduction {
  // In the pass, by stage: what is received and sent once the stage's last backward is over. A
  // receive that is posted may hold a device up, and its own stage is done at about that time.
  std::map<int, std::vector<size_t>> posts, sends;
  // After it: what this device sums, once everything above is over.
  std::vector<ValueId> owned;
  std::vector<size_t> sum_posts, sum_sends;
};

struct ReductionSpec {
  const Graph* graph = nullptr;
  const std::vector<ParameterGradient>* gradients = nullptr;
  const StagePlan* plan = nullptr;  // of one replica
  int replicas = 1;
};

// For every device, replica by replica. `memories` are theirs, null in other processes; `transfers`
// receives what they exchange. One replica has nothing to do.
std::vector<DeviceReduction> plan_reduction(
    const ReductionSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
    std::vector<Transfer>& transfers);

// Where the owner of a gradient receives that of `replica`.
void* received_gradient(DeviceMemory& memory, ValueId contribution, int replica);

}  // namespace headrace
