#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "executor/device_memory.h"
#include "executor/program.h"
#include "executor/reduction.h"
#include "graph/autodiff.h"
#include "graph/optimizer.h"

namespace headrace {

// The end of a step on one device. `gather` ends the reduction among replicas, brings the
// contributions of shared parameters together, sums them in order and takes each gradient's squared
// norm; `apply` updates the parameters. Between the two the devices agree on the global norm.
struct UpdatePrograms {
  DeviceProgram gather, apply;
  // Summed gradient of every parameter of this device, and its squared norm (f64), once gather ran.
  std::map<ValueId, const void*> gradient;
  std::map<ValueId, const void*> squared_norm;
};

struct UpdateSpec {
  const Graph* graph = nullptr;
  const std::vector<ParameterGradient>* gradients = nullptr;
  OptimizerSpec optimizer;
  bool apply = true;  // false: the parameters are updated by somebody else
  bool norms = false;
  std::vector<int> device_of_node;  // in its replica, of every node of the graph, -1: none
  const std::vector<std::set<ValueId>>* holds = nullptr;  // the weights of every device
  const std::vector<DeviceReduction>* reductions = nullptr;
  // Running statistics are those that the first replica saw: at the end of a step all others take
  // over its states.
  const std::vector<StateUpdate>* state_updates = nullptr;
  int replicas = 1;
};

// Devices are numbered replica by replica. `transfers` receives what they exchange, both ends
// settled. Devices of other processes have no
// memory here: their ends stay open and their programs have messages alone.
std::vector<UpdatePrograms> compile_updates(
    const UpdateSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
    std::vector<Transfer>& transfers);

}  // namespace headrace
