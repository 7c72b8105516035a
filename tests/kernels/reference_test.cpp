#include "kernels/reference/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/evaluate.h"
#include "tests/kernels/tensors.h"

// Answers worked out by hand, where finite differences cannot tell right from wrong.
namespace headrace {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::ElementsAreArray;

using Ints = std::vector<int64_t>;

HostTensor integers(Shape shape, std::vector<int64_t> values) {
  return make_host_tensor<int64_t>(std::move(shape), values);
}

std::vector<HostTensor> run(std::string op, const std::vector<HostTensor>& inputs,
                            Attributes attributes = {}) {
  Node node;
  node.op = node.name = std::move(op);
  for (size_t i = 0; i < inputs.size(); ++i)
    node.inputs.push_back(inputs[i] ? static_cast<ValueId>(i) : kNoValue);
  node.attributes = std::move(attributes);
  return evaluate(node, inputs);
}
std::vector<double> doubles(std::string op, const std::vector<HostTensor>& inputs,
                            Attributes attributes = {}) {
  return to_doubles(run(std::move(op), inputs, std::move(attributes)).at(0));
}

TEST(Reference, RoundsHalvesToEven) {
  EXPECT_THAT(doubles("Round", {floats({4}, {0.5, 1.5, 2.5, -0.5})}), ElementsAre(0, 2, 2, 0));
}

TEST(Reference, DividesAndTakesModuliOfIntegers) {
  const auto a = integers({4}, {7, -7, 7, -7}), b = integers({4}, {3, 3, -3, -3});
  EXPECT_THAT(to_int64s(run("Div", {a, b})[0]), ElementsAre(2, -2, -2, 2));
  EXPECT_THAT(to_int64s(run("Mod", {a, b}, {{"fmod", int64_t{0}}})[0]), ElementsAre(1, 2, -2, -1));
  EXPECT_THAT(to_int64s(run("Mod", {a, b}, {{"fmod", int64_t{1}}})[0]), ElementsAre(1, -1, 1, -1));
}

TEST(Reference, LetsNanThrough) {
  const float nan = std::nanf("");
  for (const char* op : {"Relu", "Abs", "Sign"})
    EXPECT_TRUE(std::isnan(doubles(op, {floats({1}, {nan})})[0])) << op;
  for (const char* op : {"Min", "Max"}) {
    EXPECT_TRUE(std::isnan(doubles(op, {floats({1}, {nan}), floats({1}, {1})})[0])) << op;
    EXPECT_TRUE(std::isnan(doubles(op, {floats({1}, {1}), floats({1}, {nan})})[0])) << op;
  }
}

TEST(Reference, CastsTowardsZeroAndToHalves) {
  const auto x = floats({4}, {2.7F, -2.7F, 1e20F, std::nanf("")});
  EXPECT_THAT(to_int64s(run("Cast", {x}, {{"to", std::string("i32")}})[0]),
              ElementsAre(2, -2, INT32_MAX, 0));
  // 2049 lies between the halves 2048 and 2050; 65520 is the first that rounds to infinity.
  const auto halves = run("Cast", {floats({5}, {2049, 65519, 65520, 0x1p-25F, 0x1.8p-24F})},
                          {{"to", std::string("f16")}})[0];
  EXPECT_THAT(to_doubles(halves), ElementsAre(2048, 65504, HUGE_VAL, 0, 0x1p-23));
  const auto brain = run("Cast", {floats({2}, {257, 259})}, {{"to", std::string("bf16")}})[0];
  EXPECT_THAT(to_doubles(brain), ElementsAre(256, 260));
}

TEST(Reference, MultipliesMatrices) {
  const auto a = floats({2, 3}, {1, 2, 3, 4, 5, 6}), b = floats({2, 3}, {1, 0, -1, 2, 1, 0});
  EXPECT_THAT(doubles("MatMul", {a, b, floats({2}, {100, 200})},
                      {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{1}}}),
              ElementsAre(98, 204, 98, 213));
}

// x is 0..8 in a square, padded at the end only; the kernel adds the four corners of its window.
TEST(Reference, ConvolvesWithStridesPadsAndDilations) {
  const auto x = floats({1, 1, 3, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  const auto w = floats({1, 1, 2, 2}, {1, 1, 1, 1});
  const Attributes a{{"strides", Ints{1, 1}},
                     {"pads", Ints{0, 0, 1, 1}},
                     {"dilations", Ints{2, 2}},
                     {"group", int64_t{1}}};
  EXPECT_THAT(doubles("Conv", {x, w}, a), ElementsAre(0 + 2 + 6 + 8, 1 + 7, 3 + 5, 4));
}

TEST(Reference, PoolsWithIndices) {
  const auto x = floats({1, 1, 4}, {5, 1, 1, 5});
  const Attributes a{{"kernel_shape", Ints{3}},
                     {"strides", Ints{2}},
                     {"pads", Ints{1, 0}},
                     {"dilations", Ints{1}},
                     {"ceil_mode", int64_t{0}}};
  const auto pooled = run("MaxPool", {x}, a);
  EXPECT_THAT(to_doubles(pooled[0]), ElementsAre(5, 5));
  EXPECT_THAT(to_int64s(pooled[1]), ElementsAre(1, 2));
}

TEST(Reference, CountsPaddingInAveragesWhenAsked) {
  const auto x = floats({1, 1, 3}, {3, 6, 9});
  const auto average = [&](int64_t count_include_pad) {
    return doubles("AveragePool", {x},
                   {{"kernel_shape", Ints{3}},
                    {"strides", Ints{2}},
                    {"pads", Ints{1, 1}},
                    {"ceil_mode", int64_t{0}},
                    {"count_include_pad", count_include_pad}});
  };
  EXPECT_THAT(average(0), ElementsAre(4.5, 7.5));
  EXPECT_THAT(average(1), ElementsAre(3, 5));
}

TEST(Reference, PadsInEveryMode) {
  const auto padded = [](const char* mode) {
    return doubles("Pad", {floats({3}, {1, 2, 3})},
                   {{"pads", Ints{2, 2}}, {"mode", std::string(mode)}, {"value", 9.0}});
  };
  EXPECT_THAT(padded("constant"), ElementsAre(9, 9, 1, 2, 3, 9, 9));
  EXPECT_THAT(padded("edge"), ElementsAre(1, 1, 1, 2, 3, 3, 3));
  EXPECT_THAT(padded("reflect"), ElementsAre(3, 2, 1, 2, 3, 2, 1));
  EXPECT_THAT(padded("wrap"), ElementsAre(2, 3, 1, 2, 3, 1, 2));
}

TEST(Reference, SlicesBackwards) {
  EXPECT_THAT(to_int64s(run("Slice", {integers({5}, {0, 1, 2, 3, 4})},
                            {{"starts", Ints{4}}, {"ends", Ints{-1}}, {"steps", Ints{-2}}})[0]),
              ElementsAre(4, 2, 0));
}

TEST(Reference, RefusesAnIndexOutsideItsAxis) {
  EXPECT_THROW(run("Gather", {floats({3}, {1, 2, 3}), integers({1}, {3})}, {{"axis", int64_t{0}}}),
               Error);
  EXPECT_THROW(run("SoftmaxCrossEntropy", {floats({1, 3}, {1, 2, 3}), integers({1}, {3})},
                   {{"axis", int64_t{1}}}),
               Error);
}

// Biased variance in the output and, as ONNX has it, in the running statistics.
TEST(Reference, NormalizesBatchesByOnnxsRule) {
  const auto one = floats({1}, {1}), zero = floats({1}, {0});
  const auto out = run("BatchNormalization", {floats({4, 1}, {1, 1, 3, 3}), one, zero, zero, one},
                       {{"epsilon", 0.0}, {"momentum", 0.75}, {"activation", std::string("relu")}});
  EXPECT_THAT(to_doubles(out[0]), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(to_doubles(out[1]), ElementsAre(2));
  EXPECT_THAT(to_doubles(out[2]), ElementsAre(1));
  EXPECT_THAT(to_doubles(out[3]), ElementsAre(0.5));
  EXPECT_THAT(to_doubles(out[4]), ElementsAre(1));
}

TEST(Reference, WeighsTheCrossEntropy) {
  // Equal logits: every term is log 2; class 1 weighs three times class 0, one target is ignored.
  const auto logits = floats({3, 2}, {0, 0, 0, 0, 0, 0});
  const auto target = integers({3}, {0, 1, 7});
  const auto loss = [&](const char* reduction) {
    return doubles("SoftmaxCrossEntropy", {logits, target, floats({2}, {1, 3})},
                   {{"axis", int64_t{1}},
                    {"reduction", std::string(reduction)},
                    {"ignore_index", int64_t{7}}});
  };
  const double log2 = static_cast<float>(std::log(2.0));
  EXPECT_THAT(loss("mean"), ElementsAre(log2));
  EXPECT_THAT(loss("sum"), ElementsAre(DoubleNear(4 * log2, 1e-6)));
  EXPECT_THAT(loss("none"), ElementsAre(log2, DoubleNear(3 * log2, 1e-6), 0));
}

// As the light nets of the package onnx begin: 1e30 + log 4 is 1e30 even in double.
TEST(Reference, TellsHugeEqualLogitsApartFromCertainOnes) {
  const auto logits = floats({1, 4}, {1e30F, 1e30F, 1e30F, 1e30F}), target = integers({1}, {2});
  const Attributes a{{"axis", int64_t{1}}, {"reduction", std::string("mean")}};
  const auto out = run("SoftmaxCrossEntropy", {logits, target}, a);
  const float log4 = std::log(4.0F);
  EXPECT_THAT(to_doubles(out[0]), ElementsAre(log4));
  EXPECT_THAT(to_doubles(out[1]), ElementsAre(1e30F));
  EXPECT_THAT(to_doubles(out[2]), ElementsAre(log4));
  const auto gradient =
      doubles("SoftmaxCrossEntropyGrad", {floats({}, {1}), logits, target, {}, out[1], out[2]}, a);
  for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(gradient[k], k == 2 ? -0.75 : 0.25, 1e-6);
}

TEST(Reference, CountsTheFirstOfEqualScores) {
  EXPECT_THAT(
      doubles("CorrectCount", {floats({3, 2}, {1, 1, 0, 1, 1, 0}), integers({3}, {0, 1, 1})},
              {{"axis", int64_t{1}}}),
      ElementsAre(2));
}

// PyTorch 2's torch.optim.SGD and Adam, first step from p = 1, g = 0.5 with a rate of 0.1.
TEST(Reference, UpdatesInTheFirstStep) {
  Graph graph;
  const ValueId p = graph.add_parameter("p", floats({1}, {1}));
  const ValueId g = graph.add_constant("g", floats({1}, {0.5}));
  const ValueId zero = graph.add_constant("zero", floats({1}, {0}));
  const ValueId sgd = graph.add(
      "SgdUpdate", {p, g, zero},
      {{"momentum", 0.9}, {"nesterov", int64_t{1}}, {"dampening", 0.0}, {"weight_decay", 0.1}});
  const ValueId adam = graph.add("AdamUpdate", {p, g, zero, zero},
                                 {{"beta1", 0.9},
                                  {"beta2", 0.999},
                                  {"epsilon", 1e-8},
                                  {"weight_decay", 0.1},
                                  {"decoupled", int64_t{1}}});
  const auto after = evaluate_graph(graph, {}, std::vector{sgd, adam},
                                    {.in_f64 = true, .step = {.learning_rate = 0.1}});
  // (0.5 + 0.1) (1 + 0.9) 0.1 less; decayed by 1 - 0.01 and then the whole rate less.
  EXPECT_THAT(to_doubles(after[0]), ElementsAre(DoubleNear(1 - 0.114, 1e-7)));
  EXPECT_THAT(to_doubles(after[1]), ElementsAre(DoubleNear(0.99 - 0.1, 1e-7)));
}

std::vector<ValueId> updated(Graph& graph, const std::string& op, std::vector<ValueId> inputs,
                             const Attributes& attributes) {
  return graph
      .node(graph.add_node({.op = op,
                            .name = "",
                            .inputs = std::move(inputs),
                            .outputs = {},
                            .attributes = attributes}))
      .outputs;
}

// Parameters [1, -2] after three updates with a rate of 0.1 and the gradients below.
std::vector<double> after_three_updates(const std::string& op, const Attributes& attributes,
                                        size_t states) {
  Graph graph;
  std::vector<ValueId> values(states + 1, graph.add_constant("zero", floats({2}, {0, 0})));
  values[0] = graph.add_parameter("p", floats({2}, {1, -2}));
  for (const auto& gradient : {std::pair{0.5F, 0.25F}, {-1.0F, 0.125F}, {0.25F, -2.0F}}) {
    std::vector<ValueId> inputs = values;
    inputs.insert(inputs.begin() + 1,
                  graph.add_constant("g", floats({2}, {gradient.first, gradient.second})));
    values = updated(graph, op, inputs, attributes);
  }
  return to_doubles(evaluate_graph(graph, {}, std::vector{values[0]},
                                   {.in_f64 = true, .step = {.learning_rate = 0.1}})[0]);
}

// PyTorch 2.15's torch.optim.Adagrad and RMSprop in double.
TEST(Reference, UpdatesAsTorchDoes) {
  EXPECT_THAT(
      after_three_updates("AdagradUpdate", {{"epsilon", 1e-10}, {"weight_decay", 0.1}}, 1),
      ElementsAre(DoubleNear(0.9530444492314611, 1e-12), DoubleNear(-1.9139067665118354, 1e-12)));
  const auto rmsprop = [](double momentum, double weight_decay) {
    return Attributes{
        {"beta2", 0.99}, {"epsilon", 1e-8}, {"momentum", momentum}, {"weight_decay", weight_decay}};
  };
  EXPECT_THAT(
      after_three_updates("RmspropUpdate", rmsprop(0.9, 0.1), 2),
      ElementsAre(DoubleNear(-0.2861513486200225, 1e-12), DoubleNear(-1.8855100168290047, 1e-12)));
  EXPECT_THAT(
      after_three_updates("RmspropUpdate", rmsprop(0, 0), 1),
      ElementsAre(DoubleNear(0.6758495749040284, 1e-12), DoubleNear(-2.4584675666842735, 1e-12)));
}

// The first step of Lion and LAMB by hand, from p = [1, -2], g = [0.5, 0.25] with a rate of 0.1.
TEST(Reference, UpdatesByAuthorsFormulas) {
  Graph graph;
  const ValueId p = graph.add_parameter("p", floats({2}, {1, -2}));
  const ValueId g = graph.add_constant("g", floats({2}, {0.5, 0.25}));
  const ValueId zero = graph.add_constant("zero", floats({2}, {0, 0}));
  const auto lion = updated(graph, "LionUpdate", {p, g, zero},
                            {{"beta1", 0.9}, {"beta2", 0.99}, {"weight_decay", 0.1}});
  const auto lamb =
      updated(graph, "LambUpdate", {p, g, zero, zero},
              {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 0.0}, {"weight_decay", 0.1}});
  const auto after = evaluate_graph(graph, {}, std::vector{lion[0], lion[1], lamb[0]},
                                    {.in_f64 = true, .step = {.learning_rate = 0.1}});
  // One rate down by sign, and 0.1 of it towards zero.
  EXPECT_THAT(to_doubles(after[0]),
              ElementsAre(DoubleNear(1 - 0.11, 1e-12), DoubleNear(-2 - 0.1 + 0.02, 1e-12)));
  EXPECT_THAT(to_doubles(after[1]),
              ElementsAre(DoubleNear(0.005, 1e-12), DoubleNear(0.0025, 1e-12)));
  // The direction [1, 1] + 0.1 p in the length of p.
  const double ratio = std::sqrt((1 + 4) / (1.1 * 1.1 + 0.8 * 0.8));
  EXPECT_THAT(to_doubles(after[2]), ElementsAre(DoubleNear(1 - 0.1 * ratio * 1.1, 1e-12),
                                                DoubleNear(-2 - 0.1 * ratio * 0.8, 1e-12)));
}

TEST(Reference, RefusesForeignLayouts) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  graph.add("Relu", {x});
  KernelRequest request = kernel_request(graph, graph.nodes()[0]);
  EXPECT_NE(prepare_reference(request), nullptr);
  request.output_layouts[0] = {.id = 1, .bytes = 8};
  EXPECT_EQ(prepare_reference(request), nullptr);
}

TEST(Reference, DoesNotAccumulateIntegers) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::i64, {2}});
  graph.add("Neg", {x});
  KernelRequest request = kernel_request(graph, graph.nodes()[0]);
  request.accumulate[0] = true;
  EXPECT_EQ(prepare_reference(request), nullptr);
}

}  // namespace
}  // namespace headrace
