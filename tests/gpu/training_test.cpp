#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/gpu/under_test.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

std::vector<FixtureRun> shipped() {
  return {{.model = "models/fashion-cnn/fashion-cnn.onnx"},
          {.model = "models/char-gpt/char-gpt.onnx"},
          {.model = "models/heat-unet/heat-unet.onnx", .batch = 4, .loss = "mse"},
          {.model = "models/tabular-mlp/tabular-mlp.onnx"}};
}

double relative_distance(const HostTensor& a, const HostTensor& b) {
  const auto x = to_doubles(a), y = to_doubles(b);
  double apart = 0, size = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    apart += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  return size == 0 ? std::sqrt(apart) : std::sqrt(apart / size);
}

TEST(GpuTraining, GradientsAreTheCpus) {
  for (FixtureRun run : shipped()) {
    FixtureTraining cpu(run);
    run.devices = device_under_test();
    FixtureTraining gpu(run);
    EXPECT_THAT(gpu.pipeline().detours(), testing::IsEmpty()) << run.model;
    cpu.feed(0);
    gpu.feed(0);
    const double wanted = cpu.pipeline().accumulate_gradients({});
    EXPECT_NEAR(gpu.pipeline().accumulate_gradients({}), wanted, 1e-5 * std::fabs(wanted));
    double worst = 0;
    for (const auto& gradient : cpu.prepared().training.gradients) {
      const std::string& name = cpu.prepared().training.graph.value(gradient.parameter).name;
      const auto there = gpu.prepared().training.graph.find(name);
      ASSERT_TRUE(there.has_value()) << name;
      const double apart = relative_distance(gpu.pipeline().gradient(*there),
                                             cpu.pipeline().gradient(gradient.parameter));
      EXPECT_LT(apart, 1e-4) << run.model << " " << name;
      worst = std::max(worst, apart);
    }
    fmt::print("gradients of {}: worst {:.1e} relative\n", run.model, worst);
  }
}

TEST(GpuTraining, FollowsTheCpusLosses) {
  for (FixtureRun run : shipped()) {
    run.optimizer = "sgd";
    FixtureTraining cpu(run);
    run.devices = device_under_test();
    FixtureTraining gpu(run);
    double worst = 0;
    for (int step = 0; step < 20; ++step) {
      const double wanted = cpu.step(), is = gpu.step();
      worst = std::max(worst, std::fabs(is - wanted) / std::fabs(wanted));
    }
    EXPECT_LT(worst, 1e-3) << run.model;
    fmt::print("20 steps of {}: losses at most {:.1e} apart\n", run.model, worst);
  }
}

// With attention as one node where the device has it; the CPU computes its parts.
TEST(GpuTraining, InBf16FollowsTheCpusLosses) {
  for (FixtureRun run : shipped()) {
    run.optimizer = "sgd";
    run.precision = "bf16";
    FixtureTraining cpu(run);
    run.devices = device_under_test();
    FixtureTraining gpu(run);
    EXPECT_THAT(gpu.pipeline().detours(), testing::IsEmpty()) << run.model;
    double worst = 0;
    for (int step = 0; step < 6; ++step) {
      const double wanted = cpu.step(), is = gpu.step();
      worst = std::max(worst, std::fabs(is - wanted) / std::fabs(wanted));
    }
    EXPECT_LT(worst, 0x1p-6) << run.model;
    const auto& nodes = gpu.prepared().training.graph.nodes();
    fmt::print("6 steps of {} in bf16, {} nodes of attention: losses at most {:.1e} apart\n",
               run.model, std::ranges::count(nodes, "Attention", &Node::op), worst);
  }
}

TEST(GpuTraining, FourStagesGiveTheBitsOfOne) {
  for (FixtureRun run : shipped()) {
    run.devices = device_under_test();
    const auto whole = train_fixture(run, 5);
    run.stages_per_device = 4;
    run.scheduler = "breadth-first";
    EXPECT_EQ(differing(whole, train_fixture(run, 5)), "") << run.model;
    run.stages_per_device = 2;
    run.devices = two_devices_under_test();
    EXPECT_EQ(differing(whole, train_fixture(run, 5)), "") << run.model << " on two devices";
  }
}

// What the first run chose holds on other cuts and in later runs, which find it in the cache.
TEST(GpuTraining, TunedProductsGiveTheSameBitsOnEveryCutAndAgain) {
  if (device_under_test().starts_with("cpu")) GTEST_SKIP() << "CPUs tune nothing";
  const TemporaryFolder cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  FixtureRun run{.model = "models/char-gpt/char-gpt.onnx",
                 .devices = device_under_test(),
                 .device_options = {{"autotune", "true"}}};
  const auto whole = train_fixture(run, 5);
  const std::string choices = read_whole(cache / "headrace/products-1.txt");
  EXPECT_THAT(choices, testing::HasSubstr("cuBLASLt"));
  EXPECT_EQ(differing(whole, train_fixture(run, 5)), "");
  run.stages_per_device = 2;
  run.scheduler = "breadth-first";
  run.devices = two_devices_under_test();
  EXPECT_EQ(differing(whole, train_fixture(run, 5)), "");
  EXPECT_EQ(read_whole(cache / "headrace/products-1.txt"), choices);
  unsetenv("XDG_CACHE_HOME");
  fmt::print("{} products tuned\n", std::ranges::count(choices, '\t'));
}

// How much of the copies' time lies within some device's actions; printed, since only two real
// devices make it a promise.
TEST(GpuTraining, CopiesRunBesideActions) {
  FixtureRun run{.model = "models/char-gpt/char-gpt.onnx",
                 .devices = two_devices_under_test(),
                 .stages_per_device = 2,
                 .scheduler = "breadth-first"};
  FixtureTraining training(run);
  for (int step = 0; step < 4; ++step) training.step();
  double copied_s = 0, beside_s = 0;
  const auto transfers = training.pipeline().transfers();
  ASSERT_FALSE(transfers.empty());
  for (const MeasuredTransfer& transfer : transfers) {
    copied_s += transfer.end_s - transfer.start_s;
    double longest_s = 0;
    for (const int device : {0, 1})
      for (const ActionRecord& record : training.pipeline().actions(device))
        longest_s = std::max(longest_s, std::min(record.end_s, transfer.end_s) -
                                            std::max(record.start_s, transfer.start_s));
    beside_s += longest_s;
  }
  fmt::print("{} copies of {:.3f} ms in all, {:.0f} % beside an action\n", transfers.size(),
             1e3 * copied_s, 100 * beside_s / copied_s);
}

}  // namespace
}  // namespace headrace
