#include <gmock/gmock.h>

#include "executor/devices.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/thread_group.h"

namespace headrace {
namespace {

constexpr int kSteps = 6;

// Cut over several processes, the same weights bit for bit as on one device, and every process
// knows them all.
void expect_same_bits(const FixtureRun& run, int processes) {
  FixtureTraining single(on_one_device(run));
  std::vector<double> losses;
  for (int s = 0; s < kSteps; ++s) losses.push_back(single.step());
  ThreadGroups(processes).run([&](ProcessGroup& group) {
    const Processes here{.group = &group};
    FixtureTraining training(run, make_devices(run_on(run.devices), here), here);
    for (int s = 0; s < kSteps; ++s) EXPECT_EQ(training.step(), losses[static_cast<size_t>(s)]);
    EXPECT_EQ(differing(single.weights(), training.weights()), "");
    const auto peaks = training.pipeline().peak_bytes();
    EXPECT_THAT(peaks, testing::Each(testing::Gt(0)));
    for (int d = 0; d < training.pipeline().devices(); ++d)
      EXPECT_FALSE(training.pipeline().actions(d).empty());
    EXPECT_FALSE(training.pipeline().transfers().empty());
  });
}

TEST(Processes, BreadthFirstOverTwo) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                    .devices = "cpu:2",
                    .stages_per_device = 2,
                    .scheduler = "breadth-first"},
                   2);
}

// Each process has two devices or one; the tied weights and the norm go across.
TEST(Processes, TiedWeightsAndClippingOverThree) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                    .devices = "cpu:4",
                    .scheduler = "1f1b",
                    .clip_norm = 0.5},
                   3);
}

TEST(Processes, BatchStatisticsOverTwo) {
  expect_same_bits({.model = "tests/fixtures/resnet_train.legacy.onnx",
                    .devices = "cpu:2",
                    .scheduler = "zb-h1",
                    .optimizer = "sgd"},
                   2);
}

TEST(Processes, FewerDevicesThanProcessesIsRefused) {
  ThreadGroups(3).run([](ProcessGroup& group) {
    EXPECT_THAT([&] { make_devices(run_on("cpu:2"), {.group = &group}); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("3 processes")));
  });
}

}  // namespace
}  // namespace headrace
