#include "tests/pipelines/fixture_run.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>

#include "executor/devices.h"
#include "plugins/host/registry.h"

namespace headrace {
namespace {

// Contents for an input: normal floats, or integers below `bound`.
HostTensor random_tensor(const TensorType& type, int64_t bound, std::mt19937_64& random) {
  auto [tensor, bytes] = allocate_host_tensor(type);
  const auto count = static_cast<size_t>(type.elements());
  if (type.dtype == DType::f32) {
    std::normal_distribution<float> normal;
    auto* values = reinterpret_cast<float*>(bytes);
    for (size_t i = 0; i < count; ++i) values[i] = normal(random);
  } else {
    auto* values = reinterpret_cast<int64_t*>(bytes);
    for (size_t i = 0; i < count; ++i)
      values[i] = static_cast<int64_t>(random() % static_cast<uint64_t>(bound));
  }
  return tensor;
}

PluginRegistry plugins() { return PluginRegistry({std::string(HEADRACE_BINARY_DIR) + "/plugins"}); }

RunConfig config_of(const FixtureRun& run) {
  RunConfig config = run_on(run.devices, run.device_options);
  config.model = std::filesystem::path(HEADRACE_SOURCE_DIR) / run.model;
  config.stages_per_device = run.stages_per_device;
  config.batch = run.batch;
  config.microbatches = run.microbatches;
  config.data_parallel = run.data_parallel;
  config.losses = {run.loss};
  config.optimizer.name = run.optimizer;
  config.optimizer.weight_decay = 0.1;
  if (run.optimizer == "sgd") config.optimizer.momentum = 0.9;
  config.rate.peak = 1e-3;
  config.clip_norm = run.clip_norm;
  config.precision = run.precision;
  config.recompute = run.recompute;
  config.memory = run.memory;
  config.seed = 3;
  return config;
}

}  // namespace

RunConfig run_on(const std::string& devices, const OptionValues& options) {
  RunConfig config;
  config.devices = devices;
  config.threads_per_device = 1;
  if (const std::string kind = named_devices(devices).kind; kind != "cpu")
    config.backend = plugins().load_backend(kind, options);
  return config;
}

FixtureRun on_one_device(FixtureRun run) {
  run.devices = fmt::format("cpu:{}", run.data_parallel);
  run.stages_per_device = 1;
  run.scheduler = "gpipe";
  return run;
}

FixtureTraining::FixtureTraining(const FixtureRun& run)
    : FixtureTraining(run, make_devices(config_of(run))) {}

FixtureTraining::FixtureTraining(const FixtureRun& run,
                                 std::vector<std::unique_ptr<Device>> devices,
                                 const Processes& processes)
    : config_(config_of(run)) {
  const PluginRegistry registry = plugins();
  const auto scheduler = registry.load_scheduler(run.scheduler, run.scheduler_options);
  const auto strategy = registry.load_partitioner(run.partitioner);
  prepared_ = prepare_model(config_, **std::find_if(devices.begin(), devices.end(),
                                                    [](const auto& d) { return d != nullptr; }));
  plan_ = prepare_plan(prepared_, config_, *scheduler, *strategy,
                       {{}, node_seconds(prepared_.training, config_.microbatches, DeviceRates{})});
  pipeline_ = make_pipeline(prepared_, plan_, config_, std::move(devices), processes);
}

void FixtureTraining::feed(int64_t step) { feed_part(step, 0, pipeline_->microbatches()); }

void FixtureTraining::feed_part(int64_t step, int first, int of) {
  std::mt19937_64 random(static_cast<uint64_t>(step) + 1);
  for (int m = 0; m < first + pipeline_->microbatches(); ++m)
    feed_microbatch(m < first ? -1 : m - first, 1.0F / static_cast<float>(of), random);
}

void FixtureTraining::feed_alike(int64_t step) {
  for (int m = 0; m < pipeline_->microbatches(); ++m) {
    std::mt19937_64 random(static_cast<uint64_t>(step) + 1);
    feed_microbatch(m, 1.0F / static_cast<float>(pipeline_->microbatches()), random);
  }
}

// Draws a micro-batch; feeds it unless `microbatch` is negative.
void FixtureTraining::feed_microbatch(int microbatch, float share, std::mt19937_64& random) {
  const auto fill = [&](const std::vector<ValueId>& ids, int64_t bound) {
    for (const ValueId id : ids) {
      const HostTensor tensor =
          random_tensor(prepared_.training.graph.value(id).type, bound, random);
      if (microbatch >= 0) pipeline_->feed(id, microbatch, tensor.data.get());
    }
  };
  fill(prepared_.inputs, 10);
  fill(prepared_.targets, 2);
  if (microbatch >= 0) pipeline_->feed_share(microbatch, share);
}

double FixtureTraining::step() {
  feed(step_);
  return pipeline_->train_step({.step = step_++, .learning_rate = 1e-3});
}

std::map<std::string, HostTensor> train_fixture(const FixtureRun& run, int steps) {
  FixtureTraining training(run);
  for (int s = 0; s < steps; ++s) training.step();
  return training.weights();
}

std::string differing(const std::map<std::string, HostTensor>& a,
                      const std::map<std::string, HostTensor>& b) {
  std::string names;
  for (const auto& [name, tensor] : a) {
    const auto it = b.find(name);
    if (it == b.end() || it->second.type != tensor.type ||
        std::memcmp(it->second.data.get(), tensor.data.get(),
                    static_cast<size_t>(tensor.type.bytes())) != 0)
      names += " " + name;
  }
  if (a.size() != b.size()) names += " (other names)";
  return names;
}

}  // namespace headrace
