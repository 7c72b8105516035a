// Devices that work behind their callers' backs over several processes, as GPUs with NCCL do: here
// CPUs whose kernels and messages run on threads of their own, in processes that are threads.
#include <gmock/gmock.h>

#include "executor/devices.h"
#include "tests/pipelines/over_processes.h"
#include "tests/pipelines/queued_cpus.h"

namespace headrace {
namespace {

constexpr int kQueuedProcessSteps = 4;  // kernels as they are, recorded, replayed

void expect_bits_of_waiting_cpus(const FixtureRun& run, int processes) {
  expect_bits_of_one_device(run, processes, true, kQueuedProcessSteps, [&](const Processes& here) {
    return make_queued_cpus(device_count(run.devices), *here.group, dawdle);
  });
}

TEST(QueuedProcesses, TheBitsOfOneDeviceOverTwo) {
  for (const char* scheduler : {"breadth-first", "zb-v"})
    expect_bits_of_waiting_cpus({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                                 .devices = "cpu:2",
                                 .stages_per_device = 2,
                                 .scheduler = scheduler},
                                2);
}

// Some neighbours share a process, others do not; the tied weights and the norm go across.
TEST(QueuedProcesses, TheBitsOfOneDeviceOverThreeWithFour) {
  expect_bits_of_waiting_cpus({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                               .devices = "cpu:4",
                               .scheduler = "1f1b",
                               .clip_norm = 0.5},
                              3);
}

TEST(QueuedProcesses, SkipConnectionsOverTwo) {
  expect_bits_of_waiting_cpus({.model = "models/heat-unet/heat-unet.onnx",
                               .devices = "cpu:2",
                               .stages_per_device = 2,
                               .scheduler = "interleaved",
                               .batch = 4,
                               .loss = "mse"},
                              2);
}

TEST(QueuedProcesses, ReplicasOverTwoAndThree) {
  for (const int processes : {2, 3})
    expect_bits_of_waiting_cpus({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                                 .devices = "cpu:4",
                                 .stages_per_device = 2,
                                 .scheduler = "breadth-first",
                                 .microbatches = 2,
                                 .data_parallel = 2,
                                 .clip_norm = 0.5},
                                processes);
}

// What stops a run: the second process never sends, and the first is told why.
void expect_failure(const std::function<void(ThreadGroups&)>& happens, std::chrono::seconds timeout,
                    const testing::Matcher<const std::string&>& message) {
  const FixtureRun run{
      .model = "tests/fixtures/gpt_tied.dynamo.onnx", .devices = "cpu:2", .scheduler = "1f1b"};
  ThreadGroups groups(2, true);
  groups.run([&](ProcessGroup& group) {
    FixtureTraining training(run, make_queued_cpus(2, group),
                             {.group = &group, .timeout = timeout});
    if (group.rank() == 1) return;
    happens(groups);
    EXPECT_THAT([&] { training.step(); }, testing::ThrowsMessage<RunError>(message));
  });
}

TEST(QueuedProcesses, AMessageThatNeverComesIsAnError) {
  expect_failure([](ThreadGroups&) {}, std::chrono::seconds(1),
                 testing::MatchesRegex("waited 1 s for (gradients|activations) of micro-batch 0 "
                                       "from stage . to stage . .between device . and device ..*"));
}

TEST(QueuedProcesses, ALostProcessIsAnError) {
  expect_failure(
      [](ThreadGroups& groups) {
        for (const auto& pipe : groups.pipes()) pipe->lose();
      },
      std::chrono::seconds(60), testing::HasSubstr("the other end is lost"));
}

TEST(QueuedProcesses, AFailureOfOneDeviceEndsItsProcess) {
  const FixtureRun run{
      .model = "tests/fixtures/gpt_tied.dynamo.onnx", .devices = "cpu:2", .scheduler = "1f1b"};
  ThreadGroups(2, true).run([&](ProcessGroup& group) {
    std::atomic<int> kernels = 0;
    const auto fail = [&] {
      if (++kernels == 10) throw RunError("kernel {} of rank {}", 10, group.rank());
    };
    FixtureTraining training(run, make_queued_cpus(2, group, fail), {.group = &group});
    EXPECT_THAT([&] { training.step(); },
                testing::ThrowsMessage<RunError>(testing::HasSubstr("kernel 10")));
  });
}

}  // namespace
}  // namespace headrace
