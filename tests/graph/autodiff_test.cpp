#include "graph/autodiff.h"

#include <gmock/gmock.h>

#include "tests/graph/build.h"

namespace headrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;
using Ints = std::vector<int64_t>;

ValueId mean_squared(Build& b, ValueId y, const char* target = "target") {
  return b("MeanSquaredError", {y, b.input(target, b.type(y).shape)},
           {{"reduction", std::string("mean")}});
}

// Every backward node stands with its forward node and reads only what is made before it.
void expect_well_formed(const TrainingGraph& training) {
  const Graph& graph = training.graph;
  bool forward = true;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    EXPECT_TRUE(forward || node.phase != Phase::forward) << describe(graph, node);
    forward = node.phase == Phase::forward;
    if (!forward) {
      ASSERT_NE(node.origin, kNoNode);
      EXPECT_EQ(graph.node(node.origin).phase, Phase::forward);
    }
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const NodeId maker = graph.value(input).producer;
      EXPECT_TRUE(maker == kNoNode || index(maker) < n) << describe(graph, node);
      // W never feeds another forward node's gradient.
      if (maker != kNoNode && graph.node(maker).phase == Phase::backward_weight) {
        EXPECT_EQ(graph.node(maker).origin, node.origin) << describe(graph, node);
      }
    }
  }
  for (const auto& [parameter, contributions] : training.gradients)
    for (const ValueId value : contributions)
      EXPECT_EQ(graph.value(value).type, graph.value(parameter).type);
}

TEST(Autodiff, MlpSplitsIntoInputAndWeightNodes) {
  Build b;
  const auto x = b.input("x", {8, 4});
  const auto h = b("MatMul", {x, b.parameter("w1", {4, 16}), b.parameter("b1", {16})},
                   {{"activation", std::string("relu")}});
  const auto y = b("MatMul", {h, b.parameter("w2", {3, 16}), b.parameter("b2", {3})},
                   {{"transpose_b", int64_t{1}}});
  const auto loss = mean_squared(b, y);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "MatMul I", "MatMul W", "ReduceSum W",
                          "ReluGrad W", "MatMul W", "ReduceSum W"));
  EXPECT_EQ(training.loss, loss);
  ASSERT_EQ(training.gradients.size(), 4u);
  EXPECT_THAT(training.unreached, IsEmpty());
}

TEST(Autodiff, BiggerBatchesOfRowsMakeOneWeightProduct) {
  Build b;
  const auto y = b("MatMul", {b.input("x", {2, 5, 4}), b.parameter("w", {4, 3})});
  const auto loss = mean_squared(b, y);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "Reshape W", "Reshape W", "MatMul W"));
  const Node& product = training.graph.nodes().back();
  EXPECT_EQ(product.attributes.get_int("transpose_a"), 1);
  EXPECT_EQ(training.graph.value(product.inputs[0]).type.shape, (Shape{10, 4}));
}

TEST(Autodiff, ReadersGradientsAreSummedFromTheLastToTheFirst) {
  Build b;
  const auto x = b("MatMul", {b.input("x", {4, 4}), b.parameter("w", {4, 4})});
  const auto first = b("Tanh", {x}), second = b("Sigmoid", {x}), third = b("Exp", {x});
  const auto loss = mean_squared(b, b("Add", {b("Add", {first, second}), third}));
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  std::vector<std::string> origins;
  for (const Node& node : training.graph.nodes())
    if (node.op == "Add" && node.phase == Phase::backward_input)
      origins.push_back(training.graph.node(node.origin).op);
  EXPECT_THAT(origins, ElementsAre("Sigmoid", "Tanh"));
}

TEST(Autodiff, SharedWeightContributesOncePerReaderInGraphOrder) {
  Build b;
  const auto w = b.parameter("w", {4, 4});
  const auto h = b("MatMul", {b.input("x", {2, 4}), w});
  const auto y = b("MatMul", {b("Tanh", {h}), w}, {{"transpose_b", int64_t{1}}});
  const auto loss = mean_squared(b, y);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  ASSERT_EQ(training.gradients.size(), 1u);
  std::vector<size_t> readers;
  for (const ValueId value : training.gradients[0].contributions)
    readers.push_back(index(training.graph.node(training.graph.value(value).producer).origin));
  EXPECT_THAT(readers, ElementsAre(0u, 2u));
}

TEST(Autodiff, OneReaderThatReadsTwiceContributesASum) {
  Build b;
  const auto w = b.parameter("w", {4});
  const auto loss = mean_squared(b, b("Mul", {w, w}));
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "Mul W", "Mul W", "Add W"));
  EXPECT_EQ(training.gradients[0].contributions.size(), 1u);
}

// The gradient that Add hands through is the activation's too; the parameter gets a view of it that
// is made beside its reader.
TEST(Autodiff, ContributionIsMadeBesideItsReader) {
  Build b;
  const auto h = b("MatMul", {b.input("x", {2, 4}), b.parameter("w", {4, 4})});
  const auto y = b("Add", {h, b.parameter("p", {2, 4})});
  const auto loss = mean_squared(b, b("Tanh", {y}));
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "TanhGrad I", "Reshape W", "MatMul W"));
  const ValueId p = training.gradients[1].contributions[0];
  EXPECT_EQ(training.graph.node(training.graph.value(p).producer).origin, NodeId{1});
}

TEST(Autodiff, FirstNormalizationIsWeightWorkAndALaterOneInputWork) {
  Build b;
  const auto norm = [&](ValueId x, const std::string& name) {
    return b("LayerNormalization", {x, b.parameter(name, {4}), b.parameter(name + ".b", {4})},
             {{"axis", int64_t{1}}, {"epsilon", 1e-5}});
  };
  const auto h = b("MatMul", {norm(b.input("x", {2, 4}), "n1"), b.parameter("w", {4, 4})});
  const auto loss = mean_squared(b, norm(h, "n2"));
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "LayerNormalizationGrad I", "MatMul I",
                          "MatMul W", "LayerNormalizationGrad W"));
}

TEST(Autodiff, ConvolutionTakesItsBiasGradientFromTheWeightGradient) {
  Build b;
  const Attributes window{{"strides", Ints{1, 1}},
                          {"pads", Ints{1, 1, 1, 1}},
                          {"dilations", Ints{1, 1}},
                          {"group", int64_t{1}},
                          {"activation", std::string("relu")}};
  const auto h = b(
      "Conv", {b.input("x", {2, 3, 6, 6}), b.parameter("w1", {4, 3, 3, 3}), b.parameter("b1", {4})},
      window);
  const auto y = b("Conv", {h, b.parameter("w2", {4, 4, 3, 3})}, window);
  const auto loss = mean_squared(b, y);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "ReluGrad I", "ConvInputGrad I",
                          "ConvWeightGrad W", "ReluGrad W", "ConvWeightGrad W"));
  const Node& last = training.graph.nodes().back();
  ASSERT_EQ(last.outputs.size(), 2u);
  EXPECT_EQ(training.gradients[1].contributions[0], last.outputs[1]);
  EXPECT_FALSE(last.attributes.has("activation"));
}

TEST(Autodiff, EmbeddingIndicesCutThePath) {
  Build b;
  const auto e = b("Gather", {b.parameter("table", {9, 4}), b.input("ids", {2, 3}, DType::i64)},
                   {{"axis", int64_t{0}}});
  const auto loss = mean_squared(b, e);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "GatherGrad W"));
}

TEST(Autodiff, WeightedTermsAreForwardNodes) {
  Build b;
  const auto y = b("MatMul", {b.input("x", {2, 4}), b.parameter("w", {4, 4})});
  const auto a = mean_squared(b, y, "t1"), c = mean_squared(b, y, "t2");
  const auto training = differentiate(b.graph, {{a, 1}, {c, 0.5}}, {});
  expect_well_formed(training);
  const Node& sum = training.graph.node(training.graph.value(training.loss).producer);
  EXPECT_EQ(sum.op, "Add");
  EXPECT_EQ(sum.phase, Phase::forward);
  EXPECT_EQ(training.graph.value(training.loss_seed).role, Role::input);
  EXPECT_EQ(training.graph.value(training.loss_seed).type, (TensorType{DType::f32, {}}));
}

TEST(Autodiff, ParametersThatNoLossReadsAreNamed) {
  Build b;
  const auto y = b("MatMul", {b.input("x", {2, 4}), b.parameter("w", {4, 4})});
  const auto idle = b.parameter("idle", {3});
  b("Tanh", {idle});
  const auto loss = mean_squared(b, y);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  EXPECT_THAT(training.unreached, ElementsAre(idle));
  EXPECT_EQ(training.gradients.size(), 1u);
}

TEST(Autodiff, PartialReadOfASplitIsFilledWithZeros) {
  Build b;
  const auto h = b("MatMul", {b.input("x", {2, 4}), b.parameter("w", {4, 6})});
  const auto parts = b.all("Split", {h}, {{"axis", int64_t{1}}, {"split", Ints{2, 4}}});
  const auto loss = mean_squared(b, parts[1]);
  const auto training = differentiate(b.graph, {{loss, 1}}, {});
  expect_well_formed(training);
  EXPECT_THAT(backward_nodes(training.graph),
              ElementsAre("MeanSquaredErrorGrad I", "Expand I", "Concat I", "MatMul W"));
}

TEST(Autodiff, ListsEveryNodeWithoutAGradient) {
  Build b;
  const auto w = b.parameter("w", {2, 4});
  const auto norm = b("SquaredNorm", {w});
  const auto moved = b("Reorder", {w});
  const auto loss = mean_squared(b, moved);
  const auto both = b("Cast", {norm}, {{"to", std::string("f32")}});
  EXPECT_THAT(
      [&] {
        differentiate(b.graph, {{loss, 1}, {both, 1}}, {});
      },
      ThrowsMessage<Error>(AllOf(HasSubstr("(SquaredNorm)"), HasSubstr("(Reorder)"))));
}

TEST(Autodiff, LossMustBeOneNumber) {
  Build b;
  const auto y = b("Tanh", {b.parameter("w", {4})});
  EXPECT_THAT(
      [&] {
        differentiate(b.graph, {{y, 1}}, {});
      },
      ThrowsMessage<Error>(HasSubstr("f32[4]")));
  EXPECT_THAT([&] { differentiate(b.graph, {}, {}); }, ThrowsMessage<Error>(HasSubstr("loss")));
}

}  // namespace
}  // namespace headrace
