#include "executor/time_node.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

namespace headrace {
namespace {

// Equal for nodes that the same kernel runs on tensors of the same form.
std::string form_of(const Graph& graph, const Node& node) {
  std::string form = node.op + " {" + to_string(node.attributes) + "}";
  const auto add = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids)
      form += id == kNoValue ? " -"
                             : fmt::format(" {}/{}", to_string(graph.value(id).type),
                                           graph.value(id).layout.id);
    form += ";";
  };
  add(node.inputs);
  add(node.outputs);
  return form;
}

}  // namespace

double time_node(Device& device, const Graph& graph, const Node& node) {
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
  return best;
}

std::vector<double> measured_node_seconds(Device& device, const Graph& graph) {
  std::map<std::string, double> known;
  std::vector<double> result;
  for (const Node& node : graph.nodes()) {
    if (node.op == "Reshape") {
      result.push_back(0);
      continue;
    }
    const auto [it, fresh] = known.try_emplace(form_of(graph, node), 0);
    if (fresh) it->second = time_node(device, graph, node);
    result.push_back(it->second);
  }
  return result;
}

}  // namespace headrace
