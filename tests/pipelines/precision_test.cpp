#include <gtest/gtest.h>

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

}  // namespace
}  // namespace headrace
