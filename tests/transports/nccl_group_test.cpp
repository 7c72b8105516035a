// The transport `nccl` with a stand-in for NCCL (nccl_stand_in.cpp): that it opens its channels
// without waiting for itself, and asks for messages so that both ends agree. Nothing of NCCL runs.
#include "plugins/transports/nccl_group.h"

#include <gmock/gmock.h>

#include "executor/devices.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/queued_cpus.h"
#include "tests/transports/meeting.h"

namespace headrace {
namespace {

constexpr int kSteps = 3;

void expect_same_bits(const FixtureRun& run, int processes) {
  const auto weights = train_fixture(on_one_device(run), kSteps);
  meet(processes, [&](std::unique_ptr<ProcessGroup> control) {
    const auto group = make_nccl_group(std::move(control));
    EXPECT_TRUE(group->between_queues());
    FixtureTraining training(run, make_queued_cpus(device_count(run.devices), *group),
                             {.group = group.get()});
    for (int step = 0; step < kSteps; ++step) training.step();
    EXPECT_EQ(differing(weights, training.weights()), "");
  });
}

TEST(NcclGroup, TheBitsOfOneDeviceOverTwo) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                    .devices = "cpu:2",
                    .stages_per_device = 2,
                    .scheduler = "breadth-first"},
                   2);
}

TEST(NcclGroup, TheBitsOfOneDeviceOverThreeWithFour) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.legacy.onnx",
                    .devices = "cpu:4",
                    .scheduler = "1f1b",
                    .clip_norm = 0.5},
                   3);
}

TEST(NcclGroup, AMessageThatNeverComesAbortsItsChannel) {
  meet(2, [&](std::unique_ptr<ProcessGroup> control) {
    const auto group = make_nccl_group(std::move(control));
    FixtureTraining training(
        {.model = "tests/fixtures/gpt_tied.dynamo.onnx", .devices = "cpu:2", .scheduler = "1f1b"},
        make_queued_cpus(2, *group), {.group = group.get(), .timeout = std::chrono::seconds(1)});
    if (group->rank() == 1) return;
    EXPECT_THAT([&] { training.step(); },
                testing::ThrowsMessage<RunError>(testing::HasSubstr("waited 1 s for ")));
  });
}

}  // namespace
}  // namespace headrace
