#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "partitioner/cost_model.h"

namespace headrace {

struct NodeCost {
  double seconds = 0;  // of one run whose operands lie in the cache
  double cold_s = 0;   // of one whose operands do not
  int64_t workspace_bytes = 0;
};

// Equal for nodes that the same kernel runs on tensors of the same form: operator, attributes,
// types, outputs that are added to what lies there, and, behind a bar, which of the layouts are
// row-major and which alike. Says nothing of the process that made it. `accumulate` is empty or
// parallel to the outputs (KernelRequest).
std::string form_of(const Graph& graph, const Node& node, const std::vector<bool>& accumulate = {});

// What nodes take on one machine, by their form. Measured there (time_node.h), read anywhere.
struct CostTable {
  DeviceRates rates = {};  // rates.machine tells whose they are
  std::map<std::string, NodeCost> nodes = {};

  // The cost of the node's form; where it is not there that of the same form in other layouts, as
  // on machines whose kernels prefer others; null: neither is there.
  const NodeCost* find(const Graph& graph, const Node& node,
                       const std::vector<bool>& accumulate = {}) const;
};

// As JSON: {"headrace_costs": 2, "machine", "rates", "nodes": {form: {"seconds",
// "cold_s", "workspace_bytes"}}}. Reading throws Error that names the file when it is no such
// table, writing when it cannot be put there.
CostTable read_cost_table(const std::string& path);
void write_cost_table(const std::string& path, const CostTable& table);

// The table that this user's cache holds for a machine; an empty one when there is none or it is
// damaged or another machine's.
CostTable cached_cost_table(const std::string& machine);
// Failing only means that the next run measures again.
void cache_cost_table(const CostTable& table);

}  // namespace headrace
