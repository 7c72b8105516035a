#include <gmock/gmock.h>

#include "executor/devices.h"
#include "tests/pipelines/over_processes.h"

namespace headrace {
namespace {

constexpr int kProcessSteps = 6;

void expect_bits_of_one_process(const FixtureRun& run, int processes) {
  expect_bits_of_one_device(run, processes, false, kProcessSteps, [&](const Processes& here) {
    return make_devices(run_on(run.devices), here);
  });
}

TEST(Processes, BreadthFirstOverTwo) {
  expect_bits_of_one_process({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                              .devices = "cpu:2",
                              .stages_per_device = 2,
                              .scheduler = "breadth-first"},
                             2);
}

// Each process has two devices or one; the tied weights and the norm go across.
TEST(Processes, TiedWeightsAndClippingOverThree) {
  expect_bits_of_one_process({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                              .devices = "cpu:4",
                              .scheduler = "1f1b",
                              .clip_norm = 0.5},
                             3);
}

TEST(Processes, BatchStatisticsOverTwo) {
  expect_bits_of_one_process({.model = "tests/fixtures/resnet_train.legacy.onnx",
                              .devices = "cpu:2",
                              .scheduler = "zb-h1",
                              .optimizer = "sgd"},
                             2);
}

// Replicas of two devices, in processes of their own and over more than one.
TEST(Processes, ReplicasOverTwoThreeAndFour) {
  for (const int processes : {2, 3, 4})
    expect_bits_of_one_process({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                                .devices = "cpu:4",
                                .scheduler = "1f1b",
                                .microbatches = 2,
                                .data_parallel = 2,
                                .clip_norm = 0.5},
                               processes);
}

TEST(Processes, ReplicasWithBatchStatistics) {
  expect_bits_of_one_process({.model = "tests/fixtures/resnet_train.legacy.onnx",
                              .devices = "cpu:4",
                              .scheduler = "gpipe",
                              .microbatches = 2,
                              .data_parallel = 2},
                             4);
}

TEST(Processes, FewerDevicesThanProcessesIsRefused) {
  ThreadGroups(3).run([](ProcessGroup& group) {
    EXPECT_THAT([&] { make_devices(run_on("cpu:2"), {.group = &group}); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("3 processes")));
  });
}

}  // namespace
}  // namespace headrace
