#include "executor/time_node.h"

#include <algorithm>
#include <chrono>

namespace headrace {
NodeCost measure_node(Device& device, const Graph& graph, const Node& node) {
  constexpr int kMostRuns = 40;
  constexpr double kBudget_s = 0.03;
  const auto kernel = device.prepare(kernel_request(graph, node));
  std::vector<Buffer> memory;
  const auto take = [&](ValueId id) -> void* {
    if (id == kNoValue) return nullptr;
    memory.push_back(device.allocate(static_cast<size_t>(graph.value(id).bytes())));
    return memory.back().data();
  };
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const ValueId id : node.inputs) inputs.push_back(take(id));
  for (const ValueId id : node.outputs) outputs.push_back(take(id));
  const Buffer workspace = device.allocate(std::max<size_t>(kernel->workspace_bytes(), 1));
  const StepContext context;
  const KernelArgs args{inputs, outputs, workspace.data(), &context};

  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  kernel->run(args);
  double best = 1e9;
  const auto begin = Clock::now();
  for (int run = 0; run < kMostRuns; ++run) {
    const auto start = Clock::now();
    kernel->run(args);
    best = std::min(best, seconds(Clock::now() - start));
    if (run >= 2 && seconds(Clock::now() - begin) > kBudget_s) break;
  }
  return {best, static_cast<int64_t>(kernel->workspace_bytes())};
}

double time_node(Device& device, const Graph& graph, const Node& node) {
  return measure_node(device, graph, node).seconds;
}

int64_t measure_missing(Device& device, const Graph& graph, CostTable& table) {
  int64_t measured = 0;
  for (const Node& node : graph.nodes()) {
    const auto [it, fresh] = table.nodes.try_emplace(form_of(graph, node));
    if (!fresh) continue;
    ++measured;
    if (node.op != "Reshape") it->second = measure_node(device, graph, node);
  }
  return measured;
}

}  // namespace headrace
