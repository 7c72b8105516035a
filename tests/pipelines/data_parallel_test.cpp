#include <gmock/gmock.h>

#include <cstring>

#include "executor/devices.h"
#include "graph/error.h"
#include "tests/pipelines/dropout_model.h"
#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

constexpr int kReplicaSteps = 6;

FixtureRun replicas(FixtureRun run, int count) {
  run.data_parallel = count;
  run.batch = int64_t{2} * run.microbatches * count;
  return run;
}

// However the replicas are cut and scheduled, they come to the same bits.
void expect_bits_of_one_replica(FixtureRun run) {
  const auto whole = train_fixture(on_one_device(run), kReplicaSteps);
  ASSERT_FALSE(whole.empty());
  struct Variant {
    int devices, stages_per_device;
    const char* scheduler;
  };
  for (const Variant& variant : {Variant{2, 2, "breadth-first"}, Variant{3, 1, "1f1b"},
                                 Variant{1, 3, "gpipe"}, Variant{2, 1, "zb-h1"}}) {
    run.devices = fmt::format("cpu:{}", variant.devices * run.data_parallel);
    run.stages_per_device = variant.stages_per_device;
    run.scheduler = variant.scheduler;
    EXPECT_EQ(differing(whole, train_fixture(run, kReplicaSteps)), "")
        << run.devices << " " << variant.scheduler;
  }
}

TEST(DataParallel, BatchStatistics) {
  expect_bits_of_one_replica(replicas({.model = "tests/fixtures/resnet_train.legacy.onnx"}, 2));
}

TEST(DataParallel, TiedWeightsAndClipping) {
  expect_bits_of_one_replica(
      replicas({.model = "tests/fixtures/gpt_tied.dynamo.onnx", .clip_norm = 0.5}, 3));
}

TEST(DataParallel, OneMicrobatchEach) {
  expect_bits_of_one_replica(replicas(
      {.model = "tests/fixtures/mlp.dynamo.onnx", .microbatches = 1, .optimizer = "sgd"}, 2));
}

TEST(DataParallel, ScaledLosses) {
  expect_bits_of_one_replica(
      replicas({.model = "tests/fixtures/mlp.dynamo.onnx", .precision = "f16"}, 2));
}

// What one replica computes of its micro-batches, as a run by itself that gets only those.
FixtureTraining part_of(const FixtureRun& run, int replica) {
  FixtureRun part = run;
  part.data_parallel = 1;
  part.batch = run.batch / run.data_parallel;
  FixtureTraining training(on_one_device(part));
  training.feed_part(0, replica * run.microbatches, run.microbatches * run.data_parallel);
  return training;
}

std::vector<float> gradient_of_part(const FixtureRun& run, int replica, ValueId parameter) {
  FixtureTraining training = part_of(run, replica);
  training.pipeline().accumulate_gradients({});
  const HostTensor tensor = training.pipeline().gradient(parameter);
  const auto* values = reinterpret_cast<const float*>(tensor.data.get());
  return {values, values + tensor.type.elements()};
}

// The sum over replicas, in their order, of what each makes of its part of the batch.
TEST(DataParallel, GradientsAreSummedInTheOrderOfTheReplicas) {
  const FixtureRun run = replicas({.model = "tests/fixtures/mlp.dynamo.onnx",
                                   .devices = "cpu:6",
                                   .scheduler = "1f1b",
                                   .microbatches = 2},
                                  3);
  FixtureTraining training(run);
  training.feed(0);
  training.pipeline().accumulate_gradients({});
  for (const auto& gradient : training.prepared().training.gradients) {
    std::vector<float> sum = gradient_of_part(run, 0, gradient.parameter);
    for (int replica = 1; replica < run.data_parallel; ++replica) {
      const auto part = gradient_of_part(run, replica, gradient.parameter);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    const HostTensor tensor = training.pipeline().gradient(gradient.parameter);
    EXPECT_EQ(std::memcmp(tensor.data.get(), sum.data(), sum.size() * sizeof(float)), 0)
        << training.prepared().training.graph.value(gradient.parameter).name;
  }
}

// Every replica draws its own masks: those that one pipeline would draw for the same micro-batches.
TEST(DataParallel, DropoutAndLossAreThoseOfTheWholeBatch) {
  const TemporaryFolder folder;
  FixtureRun run{.model = write_dropout_model(folder), .microbatches = 4};
  FixtureTraining whole(run);
  run.microbatches = 2;
  run.data_parallel = 2;
  FixtureTraining shared(on_one_device(run));
  EXPECT_NEAR(shared.step(), whole.step(), 1e-6);
}

// After some steps every replica answers alike, so all hold the same parameters and states.
void expect_equal_replicas(const FixtureRun& run) {
  FixtureTraining training(run);
  for (int step = 0; step < 3; ++step) training.step();
  training.feed_alike(9);
  training.pipeline().evaluate();
  const ValueId loss = training.prepared().training.loss;
  const double first = training.pipeline().metric(loss, 0);
  for (int m = 1; m < training.pipeline().microbatches(); ++m)
    EXPECT_EQ(training.pipeline().metric(loss, m), first) << run.model << " " << m;
}

TEST(DataParallel, ReplicasStayEqual) {
  expect_equal_replicas(replicas({.model = "tests/fixtures/resnet_train.legacy.onnx",
                                  .devices = "cpu:6",
                                  .scheduler = "1f1b",
                                  .microbatches = 2},
                                 3));
  expect_equal_replicas(replicas({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                                  .devices = "cpu:6",
                                  .stages_per_device = 2,
                                  .scheduler = "breadth-first",
                                  .microbatches = 2},
                                 3));
}

TEST(DataParallel, RunningStatisticsAreTheFirstReplicas) {
  const FixtureRun run = replicas({.model = "tests/fixtures/resnet_train.legacy.onnx",
                                   .devices = "cpu:4",
                                   .scheduler = "1f1b",
                                   .microbatches = 2},
                                  2);
  FixtureTraining training(run);
  training.step();
  FixtureTraining first = part_of(run, 0);
  first.pipeline().train_step({});
  const auto& updates = training.prepared().training.state_updates;
  ASSERT_FALSE(updates.empty());
  std::map<std::string, HostTensor> all, alone;
  for (const auto& update : updates) {
    const std::string& name = training.prepared().training.graph.value(update.state).name;
    all[name] = training.pipeline().weight(update.state);
    alone[name] = first.pipeline().weight(update.state);
  }
  EXPECT_EQ(differing(alone, all), "");
}

TEST(DataParallel, DevicesThatCannotBeSharedOutAreRefused) {
  RunConfig config = run_on("cpu:3");
  config.data_parallel = 2;
  EXPECT_THAT([&] { pipeline_devices(config); },
              testing::ThrowsMessage<Error>(testing::HasSubstr(
                  "3 devices cannot be shared out evenly to --data-parallel 2")));
}

}  // namespace
}  // namespace headrace
