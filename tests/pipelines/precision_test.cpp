#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/twin_device.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {
namespace {

std::vector<FixtureRun> runs() {
  return {
      {.model = "tests/fixtures/gpt_tied.dynamo.onnx", .optimizer = "sgd", .precision = "bf16"},
      {.model = "models/fashion-cnn/fashion-cnn.onnx", .optimizer = "sgd", .precision = "bf16"}};
}

std::vector<double> losses(FixtureTraining training) {
  std::vector<double> losses;
  for (int step = 0; step < 6; ++step) losses.push_back(training.step());
  return losses;
}

void expect_near(const std::vector<double>& is, const std::vector<double>& wanted,
                 double relative) {
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(is[i], wanted[i], relative * wanted[i]) << "step " << i;
}

// Products of factors with eight bits: the losses of f32 to about as many.
TEST(Precision, Bf16FollowsF32) {
  for (FixtureRun run : runs()) {
    SCOPED_TRACE(run.model);
    const auto narrow = losses(FixtureTraining(run));
    run.precision = "f32";
    const auto wide = losses(FixtureTraining(run));
    EXPECT_NE(narrow, wide);
    expect_near(narrow, wide, 0x1p-7);
  }
}

TEST(Precision, Bf16GivesTheSameWeightsOnEveryCut) {
  for (FixtureRun run : runs()) {
    const auto whole = train_fixture(run, 4);
    for (const auto& [name, tensor] : whole) EXPECT_EQ(tensor.type.dtype, DType::f32) << name;
    run.devices = "cpu:2";
    run.stages_per_device = 2;
    run.scheduler = "breadth-first";
    EXPECT_EQ(differing(whole, train_fixture(run, 4)), "") << run.model;
  }
}

// The CUDA backend's own kernels on bf16, beside the CPU's.
TEST(Precision, Bf16OnTheCudaTwinFollowsTheCpu) {
  for (const FixtureRun& run : runs()) {
    SCOPED_TRACE(run.model);
    std::vector<std::unique_ptr<Device>> twin;
    twin.push_back(make_queued_device(make_twin_device()));
    expect_near(losses(FixtureTraining(run, std::move(twin))), losses(FixtureTraining(run)),
                0x1p-7);
  }
}

TEST(Precision, MessagesBetweenStagesAreNarrow) {
  FixtureRun run = runs()[1];
  run.devices = "cpu:2";
  const auto cut_bytes = [](const FixtureRun& run) {
    FixtureTraining training(run);
    int64_t bytes = 0;
    for (const Channel& channel : training.pipeline().plan().channels) bytes += channel.bytes;
    return bytes;
  };
  const int64_t narrow = cut_bytes(run);
  run.precision = "f32";
  EXPECT_LT(narrow, cut_bytes(run));
}

TEST(Precision, F16FollowsF32WithScaledLosses) {
  for (FixtureRun run : runs()) {
    SCOPED_TRACE(run.model);
    run.precision = "f16";
    const auto narrow = losses(FixtureTraining(run));
    run.precision = "f32";
    expect_near(narrow, losses(FixtureTraining(run)), 0x1p-8);
  }
}

TEST(Precision, GradientsAreReadWithoutTheScale) {
  FixtureRun run = runs()[0];
  FixtureTraining wide(run);
  run.precision = "f16";
  FixtureTraining narrow(run);
  for (FixtureTraining* training : {&wide, &narrow}) {
    training->feed(0);
    training->pipeline().accumulate_gradients({});
  }
  const ValueId parameter = wide.pipeline().training().gradients.at(0).parameter;
  const auto name = wide.pipeline().training().graph.value(parameter).name;
  const auto a = to_doubles(wide.pipeline().gradient(parameter));
  const auto b =
      to_doubles(narrow.pipeline().gradient(*narrow.pipeline().training().graph.find(name)));
  double apart = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    apart += (a[i] - b[i]) * (a[i] - b[i]);
    size += a[i] * a[i];
  }
  EXPECT_LT(std::sqrt(apart / size), 0.02);
}

// A scale that no gradient survives: all devices leave the step out, and the next scale is half.
TEST(Precision, AStepThatOverflowsUpdatesNothing) {
  for (const char* devices : {"cpu:1", "cpu:2"}) {
    FixtureRun run = runs()[0];
    run.precision = "f16";
    run.devices = devices;
    FixtureTraining training(run);
    training.step();
    EXPECT_TRUE(training.pipeline().updated());
    const auto before = training.weights();
    training.pipeline().set_loss_scale({.value = 0x1p60});
    training.step();
    EXPECT_FALSE(training.pipeline().updated());
    EXPECT_EQ(training.pipeline().loss_scale(), (LossScale{.value = 0x1p59}));
    EXPECT_EQ(differing(before, training.weights()), "");
    training.pipeline().set_loss_scale({.value = 1024});
    training.step();
    EXPECT_TRUE(training.pipeline().updated());
    EXPECT_NE(differing(before, training.weights()), "");
  }
}

TEST(Precision, F16GivesTheSameWeightsOnEveryCut) {
  for (FixtureRun run : runs()) {
    run.precision = "f16";
    run.clip_norm = 1;
    const auto whole = train_fixture(run, 4);
    run.devices = "cpu:2";
    run.stages_per_device = 2;
    run.scheduler = "breadth-first";
    EXPECT_EQ(differing(whole, train_fixture(run, 4)), "") << run.model;
  }
}

TEST(LossScale, IsHalvedByAnOverflowAndDoubledAfterGoodSteps) {
  LossScale scale;
  scale.settle(false);
  EXPECT_EQ(scale, (LossScale{.value = 32768}));
  for (int step = 0; step < 2000; ++step) scale.settle(true);
  EXPECT_EQ(scale, (LossScale{.value = 65536}));
}

}  // namespace
}  // namespace headrace
