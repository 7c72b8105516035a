// Stages that compute their activations again in the backward pass (graph/recompute.h).
#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/pipelines/dropout_model.h"
#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

constexpr int kRecomputeSteps = 4;

const FixtureRun kUnet{.model = "models/heat-unet/heat-unet.onnx",
                       .devices = "cpu:2",
                       .stages_per_device = 2,
                       .batch = 64,
                       .microbatches = 8,
                       .loss = "mse"};

int64_t repeated_nodes(FixtureTraining& training) {
  int64_t repeated = 0;
  for (const Node& node : training.pipeline().training().graph.nodes())
    repeated += node.repeats != kNoNode ? 1 : 0;
  return repeated;
}

void expect_bits_of_kept_values(FixtureRun run) {
  run.recompute = "none";
  const auto kept = train_fixture(run, kRecomputeSteps);
  run.recompute = "stage";
  struct Variant {
    const char* devices;
    int stages_per_device;
    const char* scheduler;
  };
  for (const Variant& variant : {Variant{"cpu:1", 1, "gpipe"}, Variant{"cpu:4", 1, "1f1b"},
                                 Variant{"cpu:2", 2, "breadth-first"}, Variant{"cpu:2", 1, "zb-h1"},
                                 Variant{"cpu:2", 2, "zb-v"}, Variant{"cpu:2", 2, "dualpipe-v"}}) {
    run.devices = variant.devices;
    run.stages_per_device = variant.stages_per_device;
    run.scheduler = variant.scheduler;
    FixtureTraining training(run);
    EXPECT_GT(repeated_nodes(training), 0) << variant.scheduler;
    for (int step = 0; step < kRecomputeSteps; ++step) training.step();
    EXPECT_EQ(differing(kept, training.weights()), "")
        << run.model << " " << variant.devices << " " << variant.scheduler;
  }
}

TEST(Recompute, TheSameBits) {
  expect_bits_of_kept_values({.model = "tests/fixtures/resnet_train.legacy.onnx"});
  expect_bits_of_kept_values({.model = "tests/fixtures/gpt_tied.dynamo.onnx"});
  expect_bits_of_kept_values({.model = "tests/fixtures/gpt_tied.legacy.onnx", .clip_norm = 0.5});
  expect_bits_of_kept_values({.model = "models/heat-unet/heat-unet.onnx", .loss = "mse"});
}

// The second draw is the first.
TEST(Recompute, TheSameBitsWithDropout) {
  const TemporaryFolder folder;
  expect_bits_of_kept_values({.model = write_dropout_model(folder), .partitioner = "uniform"});
}

TEST(Recompute, HoldsLess) {
  for (const char* scheduler : {"gpipe", "breadth-first"}) {
    FixtureRun run = kUnet;
    run.scheduler = scheduler;
    if (run.scheduler == "gpipe") run.stages_per_device = 1;
    run.recompute = "none";
    FixtureTraining keeping(run);
    run.recompute = "stage";
    FixtureTraining repeating(run);
    const auto kept = keeping.pipeline().peak_bytes(), again = repeating.pipeline().peak_bytes();
    const auto predicted = predicted_peak_bytes(repeating.plan());
    const auto workspace = repeating.pipeline().workspace_bytes();
    for (size_t d = 0; d < kept.size(); ++d) {
      EXPECT_LT(static_cast<double>(again[d]), 0.65 * static_cast<double>(kept[d])) << scheduler;
      // Workspaces, which differ from CPU to CPU, are not predicted, nor are buffers of transfers:
      // with two stages on a device they are most of it.
      if (run.stages_per_device == 1) {
        EXPECT_NEAR(
            static_cast<double>(again[d] - workspace[d]) / static_cast<double>(predicted[d]), 1,
            0.2)
            << scheduler;
      }
    }
  }
}

// As few stages as it takes, and none without a limit.
TEST(Recompute, WhereMemoryAsksForIt) {
  FixtureRun run = kUnet;
  run.scheduler = "breadth-first";
  FixtureTraining free(run);
  EXPECT_EQ(repeated_nodes(free), 0);
  const auto kept = predicted_peak_bytes(free.plan());
  run.recompute = "stage";
  FixtureTraining all(run);
  const auto least = predicted_peak_bytes(all.plan());

  run.recompute = "auto";
  const auto limited_to = [&](int64_t bytes) {
    run.memory = std::to_string(bytes);
    return FixtureTraining(run);
  };
  FixtureTraining wide = limited_to(*std::ranges::max_element(kept));
  EXPECT_EQ(repeated_nodes(wide), 0);
  const int64_t between = (*std::ranges::max_element(kept) + *std::ranges::max_element(least)) / 2;
  FixtureTraining some = limited_to(between);
  EXPECT_GT(repeated_nodes(some), 0);
  EXPECT_LT(repeated_nodes(some), repeated_nodes(all));
  for (const int64_t bytes : predicted_peak_bytes(some.plan())) EXPECT_LE(bytes, between);
  run.recompute = "none";
  EXPECT_THROW(limited_to(between), Error);
  run.recompute = "auto";
  EXPECT_THROW(limited_to(*std::ranges::max_element(least) / 2), Error);
}

// Nothing is gained where a stage never holds two micro-batches.
TEST(Recompute, NotWhereTheBackwardPassFollowsAtOnce) {
  FixtureRun run = kUnet;
  run.stages_per_device = 1;
  run.scheduler = "1f1b";
  run.recompute = "stage";
  FixtureTraining training(run);
  const Graph& graph = training.pipeline().training().graph;
  const StagePlan& plan = training.pipeline().plan();
  const auto repeats = [&](size_t stage) {
    return std::ranges::any_of(plan.nodes[stage],
                               [&](NodeId id) { return graph.node(id).repeats != kNoNode; });
  };
  EXPECT_TRUE(repeats(0));
  EXPECT_FALSE(repeats(1));
}

}  // namespace
}  // namespace headrace
