// How fast schedules are lowered and simulated: actions per second of one core (CPU time).
//
//   simulate_bench [--devices P] [--stages-per-device V] [--microbatches M]

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>

#include "scheduler/lower.h"
#include "scheduler/simulate.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

double now_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void time(const char* name, const Schedule& compute, int devices) {
  const StageCost cost{.forward_s = 1e-3,
                       .backward_input_s = 1e-3,
                       .backward_weight_s = 1e-3,
                       .activation_bytes = 1'000'000};
  const StagePlan plan = plan_for(compute.device_of_stage, cost, 100'000);
  const double start = now_s();
  const Schedule lowered = lower(compute, plan);
  const double between = now_s();
  const Links links{.latency_s = 1e-5, .bytes_per_s = 1e10};
  const Simulation simulation = simulate(lowered, plan, links);
  const double end = now_s();
  size_t actions = 0;
  for (const auto& device : lowered.devices) actions += device.size();
  fmt::print(
      "{}: {} devices, {} stages, {} micro-batches: {} actions; lower {:.2f} s, "
      "simulate {:.2f} s = {:.2f} million actions per second; makespan {:.3f} s\n",
      name, devices, compute.stages, compute.microbatches, actions, between - start, end - between,
      1e-6 * static_cast<double>(actions) / (end - between), simulation.makespan_s);
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  using namespace headrace;
  CLI::App app("How fast schedules are lowered and simulated");
  int devices = 1024, stages_per_device = 2, microbatches = 512;
  app.add_option("--devices", devices);
  app.add_option("--stages-per-device", stages_per_device, "Of breadth-first; 1f1b has one");
  app.add_option("--microbatches", microbatches);
  CLI11_PARSE(app, argc, argv);
  time("1f1b", testing::one_f_one_b(devices, microbatches), devices);
  time("breadth-first", testing::breadth_first(devices, stages_per_device, microbatches), devices);
}
