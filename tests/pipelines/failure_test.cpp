#include <gmock/gmock.h>

#include <atomic>

#include "executor/devices.h"
#include "graph/error.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/wrapped_device.h"

namespace headrace {
namespace {

// Whichever device fails, the step ends with that device's error: no hang, no crash.
TEST(Failure, OneDeviceStopsTheOthersWithItsError) {
  for (size_t failing_device = 0; failing_device < 4; ++failing_device) {
    std::atomic<bool> failing = false;
    auto devices = make_devices(run_on("cpu:4"));
    devices[failing_device] = std::make_unique<WrappedDevice>(
        std::move(devices[failing_device]), [&](const std::function<void()>& run) {
          if (failing) throw RunError("device lost");
          run();
        });
    FixtureTraining training({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                              .devices = "cpu:4",
                              .scheduler = "1f1b",
                              .clip_norm = 1},
                             std::move(devices));
    training.step();
    failing = true;
    EXPECT_THAT([&] { training.step(); },
                testing::ThrowsMessage<RunError>(testing::HasSubstr("device lost")));
  }
}

}  // namespace
}  // namespace headrace
