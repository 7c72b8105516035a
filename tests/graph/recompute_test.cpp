#include "graph/recompute.h"

#include <gmock/gmock.h>

#include "tests/graph/build.h"

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// relu(x w1) w2, then the loss: forward nodes 0 to 3.
TrainingGraph two_products() {
  Build b;
  const auto x = b.input("x", {8, 4});
  const auto h = b("Relu", {b("MatMul", {x, b.parameter("w1", {4, 16})})});
  const auto y = b("MatMul", {h, b.parameter("w2", {16, 3})});
  const auto loss =
      b("MeanSquaredError", {y, b.input("target", {8, 3})}, {{"reduction", std::string("mean")}});
  return differentiate(b.graph, {{loss, 1}}, {});
}

std::vector<int> stages_by_origin(const Graph& graph, const std::vector<int>& of_forward) {
  std::vector<int> stage;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    stage.push_back(of_forward.at(node.phase == Phase::forward ? n : index(node.origin)));
  }
  return stage;
}

std::vector<std::string> repeats(const Graph& graph) {
  std::vector<std::string> repeats;
  for (const Node& node : graph.nodes())
    if (node.repeats != kNoNode) repeats.push_back(node.op + " " + letter(node.phase));
  return repeats;
}

// Every value is made before it is read, and the backward nodes of a stage that computes again read
// nothing that its forward nodes made.
void expect_sound(const TrainingGraph& training, const std::vector<int>& stage_of_forward,
                  const std::vector<bool>& chosen) {
  const Graph& graph = training.graph;
  const std::vector<int> stage = stages_by_origin(graph, stage_of_forward);
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (const ValueId input : graph.nodes()[n].inputs) {
      if (input == kNoValue || graph.value(input).producer == kNoNode) continue;
      const size_t maker = index(graph.value(input).producer);
      EXPECT_LT(maker, n);
      const bool kept = graph.nodes()[n].phase != Phase::forward &&
                        graph.nodes()[maker].phase == Phase::forward && stage[n] == stage[maker];
      EXPECT_FALSE(kept && chosen[static_cast<size_t>(stage[n])])
          << describe(graph, graph.nodes()[n]);
    }
  }
}

TEST(Recompute, NothingWhereNoStageIsChosen) {
  const TrainingGraph training = two_products();
  const auto same = recompute(training, stages_by_origin(training.graph, {0, 0, 1, 1}), {0, 0});
  EXPECT_EQ(to_string(same.graph), to_string(training.graph));
}

TEST(Recompute, OfOneStageFromWhatCameIn) {
  const TrainingGraph training = two_products();
  const std::vector<int> stages = {0, 0, 1, 1};
  const auto again = recompute(training, stages_by_origin(training.graph, stages), {false, true});
  expect_sound(again, stages, {false, true});
  // The gradient of the mean reads the second product, which reads what the first stage sent.
  EXPECT_THAT(repeats(again.graph), ElementsAre("MatMul I"));
  for (size_t n = 0; n < 4; ++n)
    EXPECT_EQ(describe(again.graph, again.graph.nodes()[n]),
              describe(training.graph, training.graph.nodes()[n]));
}

TEST(Recompute, OfAllStages) {
  const TrainingGraph training = two_products();
  const std::vector<int> stages = {0, 0, 0, 1};
  const auto again = recompute(training, stages_by_origin(training.graph, stages), {true, true});
  expect_sound(again, stages, {true, true});
  // Nothing of the first stage leads to an input's gradient but from its own inside.
  EXPECT_THAT(repeats(again.graph), ElementsAre("MatMul I", "Relu I"));
}

TEST(Recompute, ForTheGradientOfWeightsAlone) {
  const TrainingGraph training = two_products();
  // The first product's input is fed, so its stage has nothing to compute again.
  const std::vector<int> stages = {0, 1, 1, 1};
  const auto again = recompute(training, stages_by_origin(training.graph, stages), {true, true});
  expect_sound(again, stages, {true, true});
  EXPECT_THAT(repeats(again.graph), ElementsAre("Relu I", "MatMul I"));
}

TEST(Recompute, BatchStatisticsAreNotReplacedTwice) {
  Build b;
  const auto x = b("MatMul", {b.input("x", {8, 4}), b.parameter("w", {4, 6})});
  const auto normal = b.all("BatchNormalization",
                            {x, b.parameter("scale", {6}), b.parameter("bias", {6}),
                             b.state("mean", {6}), b.state("variance", {6})},
                            {{"epsilon", 1e-5F}, {"momentum", 0.9F}});
  const auto loss = b("MeanSquaredError", {b("Tanh", {normal[0]}), b.input("target", {8, 6})},
                      {{"reduction", std::string("mean")}});
  const StateUpdate mean{*b.graph.find("mean"), normal[3]};
  const auto training = differentiate(b.graph, {{loss, 1}}, {mean});
  const std::vector<int> stages(4, 0);
  const auto again = recompute(training, stages_by_origin(training.graph, stages), {true});
  expect_sound(again, stages, {true});
  EXPECT_THAT(repeats(again.graph), ElementsAre("MatMul I", "BatchNormalization I", "Tanh I"));
  ASSERT_EQ(again.state_updates.size(), 1U);
  const NodeId maker = again.graph.value(again.state_updates[0].replacement).producer;
  EXPECT_EQ(again.graph.node(maker).phase, Phase::forward);
}

TEST(Recompute, WhatReadsAReplacedStateIsKept) {
  Build b;
  const auto x = b("MatMul", {b.input("x", {8, 4}), b.parameter("w", {4, 6})});
  const auto shift = b.state("shift", {6});
  const auto moved = b("Add", {x, shift});
  const auto loss = b("MeanSquaredError", {b("Tanh", {moved}), b.input("target", {8, 6})},
                      {{"reduction", std::string("mean")}});
  const auto training = differentiate(
      b.graph, {{loss, 1}},
      {{shift,
        b("ReduceMean", {moved}, {{"axes", std::vector<int64_t>{0}}, {"keepdims", int64_t{0}}})}});
  const auto again =
      recompute(training, std::vector<int>(training.graph.nodes().size(), 0), {true});
  EXPECT_THAT(repeats(again.graph), ElementsAre("Tanh I"));
}

TEST(Recompute, WhatIsKnownOfNodesIsKnownOfTheirRepeats) {
  const TrainingGraph training = two_products();
  const auto again =
      recompute(training, stages_by_origin(training.graph, {0, 0, 0, 1}), {true, true});
  std::vector<double> seconds;
  for (size_t n = 0; n < training.graph.nodes().size(); ++n)
    seconds.push_back(static_cast<double>(n));
  const auto known = with_repeats(again.graph, seconds);
  ASSERT_EQ(known.size(), again.graph.nodes().size());
  size_t next = 0;
  for (size_t n = 0; n < known.size(); ++n) {
    const NodeId repeated = again.graph.nodes()[n].repeats;
    EXPECT_EQ(known[n], repeated == kNoNode ? static_cast<double>(next++)
                                            : static_cast<double>(index(repeated)));
  }
  EXPECT_THAT(with_repeats(training.graph, seconds), testing::ContainerEq(seconds));
}

}  // namespace
}  // namespace headrace
