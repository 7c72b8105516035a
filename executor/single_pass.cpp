#include "executor/single_pass.h"

#include "scheduler/lower.h"

namespace headrace {

SinglePass single_pass(const Graph& graph) {
  SinglePass pass;
  pass.plan.nodes.resize(1);
  for (size_t n = 0; n < graph.nodes().size(); ++n)
    pass.plan.nodes[0].push_back(static_cast<NodeId>(n));
  pass.plan.device = {0};
  pass.plan.cost.resize(1);
  pass.schedule.stages = 1;
  pass.schedule.microbatches = 1;
  pass.schedule.device_of_stage = {0};
  pass.schedule.devices = {{Action{}}};
  pass.simulation = simulate(lower(pass.schedule, pass.plan), pass.plan, {});
  return pass;
}

}  // namespace headrace
