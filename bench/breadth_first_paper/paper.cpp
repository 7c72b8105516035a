// The breadth-first paper's 52B case, simulated: for each batch the fastest configuration of each
// schedule that fits the memory.
//
//   breadth_first_paper inputs.toml

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "graph/error.h"
#include "plugins/host/registry.h"
#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/simulate.h"
#include "scheduler/validate.h"

namespace headrace {
namespace {

struct Inputs {
  double layers, hidden, sequence;
  double weight_bytes, gradient_bytes, optimizer_bytes;  // per parameter
  int devices;
  double flop_per_s, memory_bytes, memory_bytes_per_s;
  int node_devices;
  double nvlink_bytes_per_s, card_share_bytes_per_s, latency_s;
  bool recompute;
};

double number(const toml::table& table, const std::string& path) {
  const auto value = table.at_path(path).value<double>();
  if (!value) throw Error("{} is missing", path);
  return *value;
}

Inputs read(const std::string& path) {
  const toml::table t = toml::parse_file(path);
  const double devices_per_card = number(t, "node.devices") / number(t, "node.cards");
  return {.layers = number(t, "model.layers"),
          .hidden = number(t, "model.hidden"),
          .sequence = number(t, "model.sequence"),
          .weight_bytes = number(t, "model.bytes_per_parameter.weight"),
          .gradient_bytes = number(t, "model.bytes_per_parameter.gradient"),
          .optimizer_bytes = number(t, "model.bytes_per_parameter.optimizer"),
          .devices = static_cast<int>(number(t, "device.count")),
          .flop_per_s = number(t, "device.flop_per_s") * number(t, "device.efficiency"),
          .memory_bytes = number(t, "device.memory_bytes"),
          .memory_bytes_per_s = number(t, "device.memory_bytes_per_s"),
          .node_devices = static_cast<int>(number(t, "node.devices")),
          .nvlink_bytes_per_s = number(t, "node.nvlink_bytes_per_s"),
          .card_share_bytes_per_s = number(t, "node.card_bytes_per_s") / devices_per_card,
          .latency_s = number(t, "node.latency_s"),
          .recompute = t.at_path("training.recompute").value_or(true)};
}

// A division of the devices, of the batch and of the layers.
struct Shape {
  int tensor = 1, pipeline = 1, data = 1, loops = 1, microbatches = 1, samples = 1;
  Sharding sharding = Sharding::none;
};

// One tensor-parallel rank's part of a stage for one micro-batch. Multiplications of a layer:
// 12 h^2 per token with weights, 2 s h without (scores and their use), two FLOP each.
StageCost stage_cost(const Inputs& in, const Shape& shape) {
  const double layers = in.layers / (shape.pipeline * shape.loops);
  const double tokens = in.sequence * shape.samples;
  const double weighted = 24 * in.hidden * in.hidden * tokens / shape.tensor;
  const double scores = 4 * in.sequence * in.hidden * tokens / shape.tensor;
  const double boundary = tokens * in.hidden * 2;  // bytes of a layer's input, half precision
  // Two sums over the tensor-parallel ranks per layer and direction, around NVLink's ring.
  const double sums =
      2 * 2.0 * (shape.tensor - 1) / shape.tensor * boundary / in.nvlink_bytes_per_s;
  const double forward = (weighted + scores) / in.flop_per_s + sums;
  StageCost cost;
  cost.forward_s = layers * forward;
  cost.backward_input_s =
      layers * ((weighted + 2 * scores) / in.flop_per_s + sums + (in.recompute ? forward : 0));
  cost.backward_weight_s = layers * weighted / in.flop_per_s;
  const double parameters = layers * 12 * in.hidden * in.hidden / shape.tensor;
  cost.parameter_bytes = static_cast<int64_t>(parameters * in.weight_bytes);
  cost.gradient_bytes = static_cast<int64_t>(parameters * in.gradient_bytes);
  cost.optimizer_bytes = static_cast<int64_t>(parameters * in.optimizer_bytes);
  // Without recomputation 34 bytes per token and unit of width (Korthikanti et al., 2205.05198).
  cost.activation_bytes =
      static_cast<int64_t>(layers * (in.recompute ? boundary : 17 * boundary / shape.tensor));
  const double replicas = shape.sharding == Sharding::none ? 1 : shape.data;
  cost.update_s = parameters / replicas *
                  (2 * in.weight_bytes + in.gradient_bytes + 2 * in.optimizer_bytes) /
                  in.memory_bytes_per_s;
  return cost;
}

struct Outcome {
  Shape shape;
  double step_s = 0, bubble = 0, peak_bytes = 0;
};

// `overlapped`: transfers between stages have queues of their own; else a device computes nothing
// while it passes on what it made.
Outcome run(const Inputs& in, const Scheduler& scheduler, const Shape& shape, bool overlapped) {
  const std::vector<int> placement =
      scheduler.place(shape.pipeline, shape.loops, shape.microbatches);
  StageCost cost = stage_cost(in, shape);
  // The tensor-parallel ranks split what goes to the next stage.
  const double boundary = in.sequence * shape.samples * in.hidden * 2 / shape.tensor;
  if (!overlapped) {
    cost.forward_s += in.latency_s + boundary / in.card_share_bytes_per_s;
    cost.backward_input_s += in.latency_s + boundary / in.card_share_bytes_per_s;
  }
  const StagePlan plan = plan_for(placement, cost, static_cast<int64_t>(boundary));
  Machine machine;
  machine.data_parallel = {
      .replicas = shape.data,
      .sharding = shape.sharding,
      .regather = shape.loops == 1 ? Regather::microbatch : Regather::stage,
      .layers_per_stage = static_cast<int>(in.layers) / (shape.pipeline * shape.loops),
      .link = {.latency_s = in.latency_s, .bytes_per_s = in.card_share_bytes_per_s}};
  const Schedule compute = scheduler.schedule(request_for(plan, shape.microbatches, in.latency_s));
  validate(compute, plan, scheduler.name());
  const Simulation simulation =
      simulate(lower(add_collectives(compute, machine.data_parallel), plan), plan,
               overlapped ? Links{.latency_s = in.latency_s,
                                  .bytes_per_s = in.card_share_bytes_per_s,
                                  .send_when_ready = true}
                          : Links{.send_when_ready = true},
               machine);
  Outcome outcome{
      .shape = shape, .step_s = simulation.step_s, .bubble = simulation.bubble_makespan};
  for (const MemoryPeak& peak : simulation.peak_memory)
    outcome.peak_bytes = std::max(outcome.peak_bytes, static_cast<double>(peak.bytes));
  return outcome;
}

struct Row {
  const char* title;
  const char* scheduler;
  bool looped;
  std::vector<Sharding> shardings;
  bool overlapped = true;
};

std::optional<Outcome> fastest(const Inputs& in, const PluginRegistry& registry, const Row& row,
                               int batch) {
  const auto scheduler = registry.load_scheduler(row.scheduler);
  std::optional<Outcome> best;
  for (int tensor = 1; tensor <= in.node_devices; tensor *= 2)
    for (int pipeline = 2; tensor * pipeline <= in.devices; pipeline *= 2)
      for (int loops = row.looped ? 2 : 1;
           pipeline * loops <= in.layers && (row.looped || loops == 1); loops *= 2)
        for (const int samples : {1, 2, 4})
          for (const Sharding sharding : row.shardings) {
            const int data = in.devices / (tensor * pipeline);
            if (batch % (data * samples) != 0 || (data == 1 && sharding != Sharding::none))
              continue;
            const Shape shape{.tensor = tensor,
                              .pipeline = pipeline,
                              .data = data,
                              .loops = loops,
                              .microbatches = batch / (data * samples),
                              .samples = samples,
                              .sharding = sharding};
            // Depth-first is defined for whole groups of micro-batches.
            if (row.looped && std::string(row.scheduler) == "interleaved" &&
                shape.microbatches % pipeline != 0)
              continue;
            const Outcome outcome = run(in, *scheduler, shape, row.overlapped);
            if (outcome.peak_bytes > in.memory_bytes) continue;
            if (!best || outcome.step_s < best->step_s) best = outcome;
          }
  return best;
}

const char* name_of(Sharding sharding) {
  return sharding == Sharding::none        ? "none"
         : sharding == Sharding::gradients ? "state"
                                           : "weights";
}

void report(const Inputs& in, const PluginRegistry& registry) {
  const std::vector<Sharding> any = {Sharding::none, Sharding::gradients, Sharding::weights};
  const std::vector<Row> rows = {
      {"breadth-first", "breadth-first", true, any},
      {"depth-first, replicated", "interleaved", true, {Sharding::none}},
      {"the same, not overlapped", "interleaved", true, {Sharding::none}, false},
      {"depth-first, any", "interleaved", true, any},
      {"1F1B, replicated", "1f1b", false, {Sharding::none}},
      {"1F1B, any", "1f1b", false, any}};
  fmt::print(
      "{:>5} {:<24} {:>3} {:>3} {:>3} {:>5} {:>4} {:>4} {:<8} {:>8} {:>9} {:>7} {:>8} {:>10}\n",
      "batch", "schedule", "TP", "PP", "DP", "loops", "N_mb", "S_mb", "sharded", "step s",
      "samples/s", "bubble", "peak GB", "breadth /");
  for (const int batch : {8, 16, 32, 64, 128, 256}) {
    std::optional<Outcome> breadth;
    for (const Row& row : rows) {
      const auto best = fastest(in, registry, row, batch);
      if (!breadth) breadth = best;
      if (!best) {
        fmt::print("{:>5} {:<24} nothing fits\n", batch, row.title);
        continue;
      }
      const Shape& s = best->shape;
      fmt::print(
          "{:>5} {:<24} {:>3} {:>3} {:>3} {:>5} {:>4} {:>4} {:<8} {:>8.3f} {:>9.3f} {:>6.1f}% "
          "{:>8.1f} {:>10.3f}\n",
          batch, row.title, s.tensor, s.pipeline, s.data, s.loops, s.microbatches, s.samples,
          name_of(s.sharding), best->step_s, batch / best->step_s, 100 * best->bubble,
          best->peak_bytes / 1e9, best->step_s / breadth->step_s);
    }
  }
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw headrace::Error("breadth_first_paper inputs.toml");
    headrace::report(headrace::read(argv[1]), headrace::PluginRegistry());
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
