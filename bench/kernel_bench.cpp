// Times the kernels of the operator table: the nodes of each row and of its gradient, alone.
//
//   kernel_bench [--threads N] [--only TEXT] [--seconds S] [--reference] [--small]

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <set>

#include "graph/op_def.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/reference/reference_device.h"
#include "tests/kernels/operator_case.h"

namespace headrace {
namespace {

struct Options {
  int threads = 1;
  double seconds = 0.2;
  bool reference = false, small = false;
  std::string only;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One node in the layouts that the device asks for, with the values that a case gives it.
class TimedNode {
 public:
  TimedNode(Device& device, const OperatorCase& c, const Node& node,
            const std::vector<HostTensor>& values)
      : step_(c.step) {
    KernelRequest request = kernel_request(c.graph(), node);
    const LayoutProposal proposal = device.propose_layouts(request);
    request.input_layouts = proposal.inputs;
    request.output_layouts = proposal.outputs;
    kernel_ = device.prepare(request);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool present = node.inputs[i] != kNoValue;
      inputs_.push_back(present ? place(device, request.input_types[i], proposal.inputs[i])
                                : nullptr);
      if (present)
        device.upload(request.input_types[i], proposal.inputs[i],
                      values[index(node.inputs[i])].data.get(), buffers_.back().data());
    }
    for (size_t i = 0; i < node.outputs.size(); ++i)
      outputs_.push_back(node.outputs[i] != kNoValue
                             ? place(device, request.output_types[i], proposal.outputs[i])
                             : nullptr);
    workspace_ = device.allocate(kernel_->workspace_bytes());
  }

  // The fastest of the runs that fit into `seconds`, three at least.
  double best_s(double seconds) const {
    double best = 1e30;
    const double end = now_s() + seconds;
    for (int runs = 0; runs < 3 || now_s() < end; ++runs) {
      const double start = now_s();
      kernel_->run({inputs_, outputs_, workspace_.data(), &step_});
      best = std::min(best, now_s() - start);
    }
    return best;
  }

 private:
  void* place(Device& device, const TensorType& type, const Layout& layout) {
    const int64_t bytes = layout.id == 0 ? type.bytes() : layout.bytes;
    buffers_.push_back(device.allocate(static_cast<size_t>(bytes)));
    return buffers_.back().data();
  }

  StepContext step_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<Buffer> buffers_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  Buffer workspace_;
};

// Products and convolutions by their arithmetic, the rest by the bytes they move.
std::string rate(const Cost& cost, double seconds) {
  if (cost.flops > 8 * cost.bytes)
    return fmt::format("{:8.2f} GFLOP/s", cost.flops / seconds / 1e9);
  return fmt::format("{:8.2f} GB/s   ", cost.bytes / seconds / 1e9);
}

void time_row(const OperatorRow& row, const Options& options, Device& cpu, Device& reference,
              std::set<std::string>& seen) {
  const OperatorCase c = make_case(row);
  std::vector<ValueId> ids;
  for (size_t v = 0; v < c.graph().values().size(); ++v) ids.push_back(static_cast<ValueId>(v));
  std::vector<HostTensor> values;
  for (const Node* own : c.nodes()) {
    const Node& node = *own;
    std::string types;
    for (const TensorType& type : c.graph().types(node.inputs)) types += " " + to_string(type);
    const std::string form = node.op + types;
    if (!seen.insert(form + to_string(node.attributes)).second) continue;
    // The reference's values serve indices and statistics that must fit; they take a while.
    if (values.empty()) values = evaluate_graph(c.graph(), c.feeds, ids, {.step = c.step});
    const Cost cost = node_cost(c.graph(), node);
    const double cpu_s = TimedNode(cpu, c, node, values).best_s(options.seconds);
    std::string line = fmt::format("{:12.0f} ns {}", cpu_s * 1e9, rate(cost, cpu_s));
    if (options.reference) {
      const double reference_s = TimedNode(reference, c, node, values).best_s(0);
      line +=
          fmt::format("  reference {:12.0f} ns ({:.1f}x)", reference_s * 1e9, reference_s / cpu_s);
    }
    fmt::print("{}  {}\n", line, form);
    std::fflush(stdout);
  }
}

void run(const Options& options) {
  const auto cpu = make_cpu_device(0, options.threads);
  const auto reference = make_reference_device();
  cpu->bind_thread();
  std::set<std::string> seen;
  for (const OperatorRow& row : options.small ? operator_table() : benchmark_table())
    if (to_string(row).find(options.only) != std::string::npos)
      time_row(row, options, *cpu, *reference, seen);
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  headrace::Options options;
  CLI::App app{"Times each kernel of the operator table on the CPU, its gradient's kernels too."};
  app.add_option("--threads", options.threads, "Threads of the CPU device")->capture_default_str();
  app.add_option("--seconds", options.seconds, "Seconds for each kernel")->capture_default_str();
  app.add_option("--only", options.only, "Rows whose text contains this");
  app.add_flag("--reference", options.reference, "Time the reference too");
  app.add_flag("--small", options.small, "The rows of the tests, not those of real networks");
  CLI11_PARSE(app, argc, argv);
  try {
    headrace::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "kernel_bench: {}\n", error.what());
    return 1;
  }
}
