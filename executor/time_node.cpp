#include "executor/time_node.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "executor/seconds_since.h"
#include "kernels/queue_timing.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;

// A node as a step runs it, with memory of its own.
class NodeRun {
 public:
  NodeRun(Device& device, const Graph& graph, const Node& node, const std::vector<bool>& accumulate)
      : device_(device), can_be_recorded_(!reads_step(node)) {
    KernelRequest request = kernel_request(graph, node);
    request.accumulate = accumulate;
    kernel_ = device.prepare(request);
    for (const ValueId id : node.inputs) inputs_.push_back(take(graph, id));
    for (const ValueId id : node.outputs) outputs_.push_back(take(graph, id));
    if (kernel_ == nullptr) add_afterwards(graph, node, accumulate);
    workspace_ = device.allocate(std::max<size_t>(kernel_->workspace_bytes(), 1));
  }

  void run() const {
    const StepContext context;
    kernel_->run({inputs_, outputs_, workspace_.data(), &context});
    for (const Addition& addition : additions_) {
      const std::vector<const void*> inputs{addition.sum, addition.made};
      void* const output = addition.sum;
      addition.kernel->run({inputs, {&output, 1}, workspace_.data(), &context});
    }
  }

  DeviceQueue* queue() const { return device_.queue(); }
  // As stretches of a program are.
  bool can_be_recorded() const { return can_be_recorded_; }
  double operand_bytes() const { return operand_bytes_; }
  int64_t workspace_bytes() const { return static_cast<int64_t>(kernel_->workspace_bytes()); }

 private:
  struct Addition {
    std::unique_ptr<Kernel> kernel;
    void* sum = nullptr;
    const void* made = nullptr;
  };

  void* take(const Graph& graph, ValueId id) {
    if (id == kNoValue) return nullptr;
    const auto bytes = static_cast<size_t>(graph.value(id).bytes());
    operand_bytes_ += static_cast<double>(bytes);
    memory_.push_back(device_.allocate(bytes));
    return memory_.back().data();
  }

  // As the executor does it where no kernel of the backend adds to its output.
  void add_afterwards(const Graph& graph, const Node& node, const std::vector<bool>& accumulate) {
    kernel_ = device_.prepare(kernel_request(graph, node));
    for (size_t o = 0; o < accumulate.size(); ++o) {
      if (!accumulate[o]) continue;
      const ValueId id = node.outputs[o];
      Node add;
      add.op = "Add";
      add.inputs = {id, id};
      add.outputs = {id};
      KernelRequest request = kernel_request(graph, add);
      request.constants.assign(2, {});
      additions_.push_back({device_.prepare(request), take(graph, id), outputs_[o]});
    }
  }

  Device& device_;
  const bool can_be_recorded_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<Addition> additions_;
  std::vector<Buffer> memory_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  Buffer workspace_;
  double operand_bytes_ = 0;
};

constexpr int kMostRuns = 40;
constexpr double kBudget_s = 0.03;

double fastest_warm(const NodeRun& node) {
  node.run();
  if (DeviceQueue* queue = node.queue())
    return seconds_in_queue(
        *queue, [&] { node.run(); }, node.can_be_recorded());
  double best = 1e9;
  const auto begin = Clock::now();
  for (int run = 0; run < kMostRuns; ++run) {
    const auto start = Clock::now();
    node.run();
    best = std::min(best, seconds_since(start));
    if (run >= 2 && seconds_since(begin) > kBudget_s) break;
  }
  return best;
}

// Takes the place of whatever lies in a cache of so many bytes.
class Eviction {
 public:
  explicit Eviction(double cache_bytes) : lines_(static_cast<size_t>(2 * cache_bytes / 64)) {}

  void run() {
    for (Line& line : lines_) ++line.count;
  }

 private:
  struct alignas(64) Line {
    int64_t count = 0;
  };
  std::vector<Line> lines_;
};

class NodeMeter {
 public:
  NodeMeter(Device& device, const DeviceRates& rates)
      : device_(device), rates_(rates), eviction_(rates.cache_bytes) {}

  NodeCost measure(const Graph& graph, const Node& node, const std::vector<bool>& accumulate) {
    const NodeRun run(device_, graph, node, accumulate);
    NodeCost cost{.workspace_bytes = run.workspace_bytes()};
    cost.seconds = fastest_warm(run);
    cost.cold_s = cost.seconds;
    if (run.queue() != nullptr ||
        run.operand_bytes() / rates_.memory_bytes_per_s < kTells * cost.seconds)
      return cost;
    double best = 1e9;
    for (int turn = 0; turn < kColdRuns; ++turn) {
      eviction_.run();
      const auto start = Clock::now();
      run.run();
      best = std::min(best, seconds_since(start));
    }
    cost.cold_s = std::max(cost.seconds, best);
    return cost;
  }

 private:
  static constexpr int kColdRuns = 5;
  static constexpr double kTells = 0.01;  // less of a run's time is not worth an eviction

  Device& device_;
  const DeviceRates& rates_;
  Eviction eviction_;
};

}  // namespace

double time_node(Device& device, const Graph& graph, const Node& node) {
  return fastest_warm(NodeRun(device, graph, node, {}));
}

int64_t measure_missing(Device& device, const TrainingGraph& training, CostTable& table) {
  const Graph& graph = training.graph;
  const auto accumulated = accumulated_outputs(training);
  std::unique_ptr<NodeMeter> meter;
  int64_t measured = 0;
  const auto measure = [&](const Node& node, const std::vector<bool>& accumulate) {
    const auto [it, fresh] = table.nodes.try_emplace(form_of(graph, node, accumulate));
    if (!fresh) return;
    ++measured;
    if (node.op == "Reshape") return;
    if (!meter) meter = std::make_unique<NodeMeter>(device, table.rates);
    it->second = meter->measure(graph, node, accumulate);
  };
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    measure(graph.nodes()[n], {});
    if (!accumulated[n].empty()) measure(graph.nodes()[n], accumulated[n]);
  }
  return measured;
}

}  // namespace headrace
