// How well `train --rebalance` relieves a device that is slower than the others: the step with the
// cut that was planned for equal devices, after rebalancing, and with the best cut for that speed,
// which was told to the partitioner from the start.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "executor/median.h"
#include "executor/trainer.h"
#include "plugins/host/registry.h"
#include "tests/pipelines/wrapped_device.h"

namespace {

using namespace headrace;
using Clock = std::chrono::steady_clock;

// Runs a kernel and then spins until it took `factor` times as long.
WrappedDevice::Around slowed_by(double factor) {
  return [factor](const std::function<void()>& run) {
    const auto start = Clock::now();
    run();
    const auto end =
        start + std::chrono::duration_cast<Clock::duration>((Clock::now() - start) * factor);
    while (Clock::now() < end) {
    }
  };
}

}  // namespace

int main(int count, char** arguments) {
  RunConfig config;
  TrainOptions options;
  config.devices = "cpu:2";
  config.threads_per_device = 1;
  config.microbatches = 8;
  config.losses = {"cross-entropy"};
  config.rate.peak = 1e-4;
  options.steps = 30;
  double factor = 2;
  int slow = 1;
  std::string scheduler = "1f1b", partitioner = "balanced", plugins;
  int64_t batch = 32;
  CLI::App app("Rebalancing away from a slowed device, against the best static cut");
  app.add_option("model", config.model, "Model")->required();
  app.add_option("--data", options.data, "Training data")->required();
  app.add_option("--loss", config.losses, "Losses");
  app.add_option("--batch", batch, "Samples per step");
  app.add_option("--steps", *options.steps, "Steps of each run");
  app.add_option("--slow", slow, "The slowed device, 0 or 1");
  app.add_option("--factor", factor, "How many times longer its kernels take");
  app.add_option("--cost", config.cost, "analytic, profile or a file");
  app.add_option("--scheduler", scheduler, "Scheduler plugin");
  app.add_option("--partitioner", partitioner, "Partitioner plugin");
  app.add_option("--plugin-path", plugins, "Folder of the plugins")->required();
  CLI11_PARSE(app, count, arguments);
  config.batch = batch;

  const PluginRegistry registry({plugins});
  const auto load_scheduler = registry.load_scheduler(scheduler);
  const auto strategy = registry.load_partitioner(partitioner);
  const auto run = [&] {
    return train(config, options, *load_scheduler, *strategy,
                 {.devices = [&](std::vector<std::unique_ptr<Device>>& devices) {
                   auto& device = devices[static_cast<size_t>(slow)];
                   device = std::make_unique<WrappedDevice>(std::move(device), slowed_by(factor));
                 }});
  };
  const auto tail = [](const TrainReport& report, size_t from) {
    return median({report.step_seconds.begin() + static_cast<std::ptrdiff_t>(from),
                   report.step_seconds.end()});
  };

  const TrainReport planned = run();
  options.rebalance = true;
  const TrainReport moved = run();
  options.rebalance = false;
  config.device_speed = {1, 1};
  config.device_speed[static_cast<size_t>(slow)] = 1 / factor;
  const TrainReport best = run();

  const double planned_s = tail(planned, 2), best_s = tail(best, 2);
  fmt::print("device {} slowed {} times\n", slow, factor);
  fmt::print("as planned for equal devices  {:.4f} s a step\n", planned_s);
  fmt::print("best static cut               {:.4f} s\n", best_s);
  if (moved.rebalanced.empty()) {
    fmt::print("no rebalancing\n");
    return 1;
  }
  const auto& first = moved.rebalanced.front();
  const size_t end = moved.rebalanced.size() > 1 ? static_cast<size_t>(moved.rebalanced[1].step)
                                                 : moved.step_seconds.size();
  const double after_s = median({moved.step_seconds.begin() + first.step,
                                 moved.step_seconds.begin() + static_cast<std::ptrdiff_t>(end)});
  fmt::print(
      "after the first rebalancing   {:.4f} s ({:.2f} of the best static cut), at step {}, "
      "speeds {:.2f} and {:.2f}, moved in {:.3f} s, {} in all\n",
      after_s, after_s / best_s, first.step, first.device_speed[0], first.device_speed[1],
      first.move_s, moved.rebalanced.size());
  const bool same = planned.weights_sha256 == moved.weights_sha256 &&
                    planned.weights_sha256 == best.weights_sha256;
  fmt::print("weights: {}\n", same ? "the same bits in all three runs" : "DIFFERENT");
  return same ? 0 : 1;
}
