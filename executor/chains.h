#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "executor/device_order.h"
#include "kernels/device.h"

namespace headrace {

// Nodes that a device runs as one kernel where the last of them stands (Device::prepare_chain).
struct Chain {
  std::vector<NodeId> nodes;
  std::vector<ValueId> inputs;  // what the kernel reads
  std::unique_ptr<Kernel> kernel;
};

// What only the program that is being compiled knows of its values.
struct ChainRules {
  std::function<bool(ValueId)> may_vanish;  // nobody needs it but the nodes that read it
  std::function<bool(ValueId)> may_wait;    // it can still be read later in its step
  std::function<bool(ValueId)> may_end;     // a chain's kernel can write it
};

// The chains of two nodes and more that the device takes. Nodes of one chain run in the same steps;
// each is in one chain at most. Where others stand between two of them, a chain holds no more
// memory meanwhile than the value that it saves.
std::vector<Chain> find_chains(const Graph& graph, const DeviceOrder& order, Device& device,
                               const ChainRules& rules);

}  // namespace headrace
