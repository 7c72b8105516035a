#include <gtest/gtest.h>

#include "plugins/host/registry.h"
#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/text.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

constexpr int kBitsSteps = 20;

// The promise that lets a user trust a new plugin: one device, and every cut and schedule, give the
// same weights bit for bit.
void expect_same_bits(FixtureRun run) {
  const auto one_device = train_fixture(run, kBitsSteps);
  ASSERT_FALSE(one_device.empty());
  struct Variant {
    const char* devices;
    int stages_per_device;
    const char* scheduler;
    const char* partitioner;
  };
  for (const Variant& variant :
       {Variant{"cpu:2", 2, "breadth-first", "balanced"}, Variant{"cpu:4", 1, "1f1b", "balanced"},
        Variant{"cpu:4", 1, "gpipe", "uniform"}, Variant{"cpu:1", 4, "breadth-first", "uniform"},
        Variant{"cpu:3", 1, "1f1b", "uniform"}}) {
    run.devices = variant.devices;
    run.stages_per_device = variant.stages_per_device;
    run.scheduler = variant.scheduler;
    run.partitioner = variant.partitioner;
    EXPECT_EQ(differing(one_device, train_fixture(run, kBitsSteps)), "")
        << variant.devices << " " << variant.scheduler << " " << variant.partitioner;
  }
}

TEST(Bits, ConvolutionsWithBatchStatistics) {
  expect_same_bits({.model = "tests/fixtures/resnet_train.legacy.onnx"});
}

TEST(Bits, ShippedConvolutionNet) {
  expect_same_bits({.model = "models/fashion-cnn/fashion-cnn.onnx"});
}

// Skip connections pass stages by.
TEST(Bits, ShippedUnet) {
  expect_same_bits({.model = "models/heat-unet/heat-unet.onnx", .batch = 4, .loss = "mse"});
}

TEST(Bits, DecoderWithTiedWeights) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.dynamo.onnx"});
}

TEST(Bits, DecoderWithTiedWeightsAndClipping) {
  expect_same_bits({.model = "tests/fixtures/gpt_tied.legacy.onnx", .clip_norm = 0.5});
}

TEST(Bits, MomentumOnAnMlp) {
  expect_same_bits({.model = "tests/fixtures/mlp.dynamo.onnx", .optimizer = "sgd"});
}

// Every scheduler that comes with the program, where its shape is not in the list above.
TEST(Bits, EverySchedulerGivesTheSameWeights) {
  FixtureRun run{.model = "tests/fixtures/gpt_tied.dynamo.onnx"};
  const auto one_device = train_fixture(run, 5);
  struct Variant {
    const char* devices;
    int stages_per_device;
    const char* scheduler;
  };
  for (const Variant& variant : {Variant{"cpu:2", 2, "interleaved"}, Variant{"cpu:2", 2, "hybrid"},
                                 Variant{"cpu:4", 1, "zb-h1"}, Variant{"cpu:3", 1, "zb-h2"},
                                 Variant{"cpu:4", 1, "zb-search"}, Variant{"cpu:2", 2, "zb-v"},
                                 Variant{"cpu:2", 2, "v-half"}, Variant{"cpu:2", 2, "v-min"},
                                 Variant{"cpu:2", 2, "dualpipe-v"}}) {
    run.devices = variant.devices;
    run.stages_per_device = variant.stages_per_device;
    run.scheduler = variant.scheduler;
    EXPECT_EQ(differing(one_device, train_fixture(run, 5)), "") << variant.scheduler;
  }
}

// What another scheduler makes, through a file, as it is and with its transfers.
TEST(Bits, SchedulesFromFilesGiveTheSameWeights) {
  const TemporaryFolder folder;
  FixtureRun run{.model = "tests/fixtures/gpt_tied.dynamo.onnx"};
  const auto one_device = train_fixture(run, 5);
  const PluginRegistry registry({std::string(HEADRACE_BINARY_DIR) + "/plugins"});
  run.devices = "cpu:2";
  run.stages_per_device = 2;
  run.scheduler = "csv";
  for (const char* name : {"zb-v", "dualpipe-v", "interleaved"})
    for (const bool lowered : {false, true}) {
      const auto scheduler = registry.load_scheduler(name);
      const StagePlan plan =
          plan_for(scheduler->place(2, 2, run.microbatches),
                   {.forward_s = 1, .backward_input_s = 1, .backward_weight_s = 1});
      const Schedule schedule = scheduler->schedule(request_for(plan, run.microbatches, 0));
      const std::string path =
          folder.write("schedule.csv", to_csv(lowered ? lower(schedule, plan) : schedule));
      run.scheduler_options = {{"file", path}};
      EXPECT_EQ(differing(one_device, train_fixture(run, 5)), "") << name << " " << lowered;
    }
}

TEST(Bits, TheSameRunTwice) {
  const FixtureRun run{.model = "tests/fixtures/gpt.dynamo.onnx",
                       .devices = "cpu:2",
                       .stages_per_device = 2,
                       .scheduler = "breadth-first"};
  EXPECT_EQ(differing(train_fixture(run, 5), train_fixture(run, 5)), "");
}

}  // namespace
}  // namespace headrace
