#include "executor/losses.h"

#include <gmock/gmock.h>

#include "graph/error.h"

namespace headrace {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Graph classifier(Shape scores) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, std::move(scores)});
  const ValueId y = graph.add("Relu", {x}, {}, Phase::forward, kNoNode, "logits");
  graph.outputs = {y};
  return graph;
}

TEST(ParseLoss, TakesOutputTargetAndWeight) {
  const LossOption option = parse_loss("mse:pitch:wanted*0.25");
  EXPECT_EQ(option.kind, "mse");
  EXPECT_EQ(option.output, "pitch");
  EXPECT_EQ(option.target, "wanted");
  EXPECT_EQ(option.weight, 0.25);
}

TEST(ParseLoss, NamesTheNearestKind) {
  EXPECT_THAT([] { parse_loss("crossentropy"); },
              ThrowsMessage<Error>(HasSubstr("'cross-entropy'")));
  EXPECT_THAT([] { parse_loss("mse*heavy"); }, ThrowsMessage<Error>(HasSubstr("'heavy'")));
}

TEST(AttachLosses, ClassesLieOnAxisOneOrLast) {
  for (const auto& [scores, target] : std::vector<std::pair<Shape, Shape>>{
           {{8, 10}, {8}}, {{2, 5, 7}, {2, 5}}, {{2, 3, 4, 4}, {2, 4, 4}}}) {
    Graph graph = classifier(scores);
    const AttachedLosses attached = attach_losses(graph, {"cross-entropy"});
    ASSERT_EQ(attached.targets.size(), 1U);
    EXPECT_EQ(graph.value(attached.targets[0]).type, (TensorType{DType::i64, target}));
    EXPECT_EQ(attached.correct_counts.size(), 1U);
  }
}

TEST(AttachLosses, ProbabilitiesAreTakenBackToTheirScores) {
  const auto loss_of = [](const std::string& last, Attributes attributes, const std::string& kind) {
    Graph graph = classifier({8, 10});
    const ValueId scores = graph.outputs[0];
    graph.outputs = {graph.add(last, {scores}, std::move(attributes))};
    const AttachedLosses attached = attach_losses(graph, {kind});
    const Node& node = graph.node(graph.value(attached.terms.at(0).value).producer);
    return node.inputs[0] == scores ? node.op + " of scores" : node.op;
  };
  EXPECT_EQ(loss_of("Softmax", {{"axis", int64_t{1}}}, "nll"), "SoftmaxCrossEntropy of scores");
  EXPECT_EQ(loss_of("Softmax", {{"axis", int64_t{0}}}, "nll"), "NegativeLogLikelihood");
  EXPECT_EQ(loss_of("Sigmoid", {}, "bce"), "BinaryCrossEntropyWithLogits of scores");
  EXPECT_EQ(loss_of("Sigmoid", {}, "mse"), "MeanSquaredError");
}

TEST(AttachLosses, NeedsALossOrAnOption) {
  Graph graph = classifier({8, 10});
  EXPECT_THAT([&] { attach_losses(graph, {}); }, ThrowsMessage<Error>(HasSubstr("--loss")));
  EXPECT_THAT([&] { attach_losses(graph, {"mse:nothing"}); },
              ThrowsMessage<Error>(HasSubstr("'logits' f32[8, 10]")));
}

TEST(AttachLosses, OutputsMayHaveColonsInTheirNames) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {8, 10}});
  graph.outputs = {graph.add("Relu", {x}, {}, Phase::forward, kNoNode, "call"),
                   graph.add("Tanh", {x}, {}, Phase::forward, kNoNode, "call:0")};
  graph.value(graph.outputs[0]).name = "call";
  graph.value(graph.outputs[1]).name = "call:0";
  const AttachedLosses attached =
      attach_losses(graph, {"mse:call:0", "mse:call:wanted", "mse:call:0:wanted:too*2"});
  ASSERT_EQ(attached.terms.size(), 3U);
  const std::vector<std::string> targets = {"target", "wanted", "wanted:too"};
  const std::vector<size_t> outputs = {1, 0, 1};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(graph.value(attached.targets[i]).name, targets[i]);
    const Node& loss = graph.node(graph.value(attached.terms[i].value).producer);
    EXPECT_EQ(loss.inputs[0], graph.outputs[outputs[i]]);
  }
  EXPECT_EQ(attached.terms[2].weight, 2);
}

TEST(AttachLosses, FindsTheModelsOwn) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {4, 3}});
  const ValueId t = graph.add_input("t", {DType::i64, {4}});
  const ValueId loss = graph.add("SoftmaxCrossEntropy", {x, t},
                                 {{"axis", int64_t{1}}, {"reduction", std::string("mean")}});
  graph.outputs = {x, loss};
  const AttachedLosses attached = attach_losses(graph, {});
  ASSERT_EQ(attached.terms.size(), 1U);
  EXPECT_EQ(attached.terms[0].value, loss);
}

}  // namespace
}  // namespace headrace
