#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "executor/trainer.h"
#include "loader/npz.h"
#include "plugins/host/registry.h"
#include "tests/pipelines/wrapped_device.h"
#include "tests/temporary_folder.h"
#include "tests/thread_group.h"

namespace headrace {
namespace {

// Every kernel of the second device takes longer by this: more than any of them takes.
constexpr auto kThrottle = std::chrono::milliseconds(1);

class RebalanceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<float> features(64 * 16);
    std::vector<int64_t> labels(64);
    for (size_t i = 0; i < features.size(); ++i)
      features[i] = static_cast<float>((i * 37) % 101) / 101.0F;
    for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 3);
    write_npz(folder_ / "data.npz",
              {{"x", make_host_tensor<float>({64, 16}, std::span<const float>(features))},
               {"target", make_host_tensor<int64_t>({64}, std::span<const int64_t>(labels))}});
    config_.model = std::filesystem::path(HEADRACE_SOURCE_DIR) / "tests/fixtures/mlp.dynamo.onnx";
    config_.devices = "cpu:2";
    config_.threads_per_device = 1;
    config_.batch = 16;
    config_.microbatches = 4;
    config_.losses = {"cross-entropy"};
    config_.optimizer.name = "adamw";
    config_.rate.peak = 1e-2;
    options_.data = folder_ / "data.npz";
    options_.steps = 16;
  }

  TrainReport train_throttled(const Processes& processes = {}) {
    const PluginRegistry registry({std::string(HEADRACE_BINARY_DIR) + "/plugins"});
    const auto throttle = [](std::vector<std::unique_ptr<Device>>& devices) {
      if (devices[1])
        devices[1] = std::make_unique<WrappedDevice>(std::move(devices[1]),
                                                     [](const std::function<void()>& run) {
                                                       run();
                                                       std::this_thread::sleep_for(kThrottle);
                                                     });
    };
    return train(config_, options_, *registry.load_scheduler("1f1b"),
                 *registry.load_partitioner("balanced"), {.devices = throttle}, processes);
  }

  TemporaryFolder folder_;
  RunConfig config_;
  TrainOptions options_;
};

TEST_F(RebalanceTest, AThrottledDeviceIsRelievedAndTheBitsStay) {
  const TrainReport as_planned = train_throttled();
  EXPECT_TRUE(as_planned.rebalanced.empty());
  options_.rebalance = true;
  options_.rebalance_window = 3;
  const TrainReport moved = train_throttled();
  ASSERT_FALSE(moved.rebalanced.empty());
  const Rebalanced& first = moved.rebalanced.front();
  EXPECT_LT(first.device_speed[1], first.device_speed[0]);
  EXPECT_LT(first.step_s_after, first.step_s_before);
  EXPECT_EQ(moved.losses, as_planned.losses);
  EXPECT_EQ(moved.weights_sha256, as_planned.weights_sha256);
}

TEST_F(RebalanceTest, OverProcesses) {
  const TrainReport as_planned = train_throttled();
  options_.rebalance = true;
  options_.rebalance_window = 3;
  ThreadGroups(2).run([&](ProcessGroup& group) {
    const TrainReport moved = train_throttled({.group = &group});
    EXPECT_FALSE(moved.rebalanced.empty());
    EXPECT_EQ(moved.weights_sha256, as_planned.weights_sha256);
  });
}

}  // namespace
}  // namespace headrace
