#include <gmock/gmock.h>

#include "graph/op_def.h"
#include "tests/graph/build.h"

namespace headrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Throws;
using ::testing::ThrowsMessage;

TensorType f32(Shape shape) { return {DType::f32, std::move(shape)}; }
using Ints = std::vector<int64_t>;

Attributes conv_attributes(Ints strides, Ints pads, int64_t group = 1) {
  return {{"strides", strides},
          {"pads", pads},
          {"dilations", Ints(strides.size(), 1)},
          {"group", group}};
}

TEST(Ops, EveryOneInfersAndCosts) {
  for (const OpDef* op : all_ops()) {
    EXPECT_NE(op->infer, nullptr) << op->name;
    EXPECT_NE(op->cost, nullptr) << op->name;
    EXPECT_EQ(find_op(op->name), op);
  }
  EXPECT_EQ(find_op("Nonsense"), nullptr);
}

TEST(Ops, UnknownNamesTheNearest) {
  EXPECT_THAT([] { get_op("Sofmax"); }, ThrowsMessage<Error>(HasSubstr("Softmax")));
}

TEST(Shapes, ArithmeticBroadcasts) {
  Build b;
  EXPECT_EQ(b.type(b("Add", {b.input("a", {4, 1, 3}), b.input("b", {5, 1})})), f32({4, 5, 3}));
  EXPECT_EQ(b.type(b("Less", {b.input("c", {2}), b.number(1)})), (TensorType{DType::boolean, {2}}));
  EXPECT_THAT(
      [&] {
        b("Mul", {b.input("x", {2, 3}), b.input("y", {2})});
      },
      ThrowsMessage<Error>(HasSubstr("[2, 3] and [2]")));
  EXPECT_THAT(
      [&] {
        b("Add", {b.input("x", {2}), b.input("y", {2}, DType::i64)});
      },
      ThrowsMessage<Error>(HasSubstr("i64[2]")));
}

TEST(Shapes, MatMul) {
  Build b;
  const auto a = b.input("a", {7, 2, 3}), w = b.input("w", {5, 3}), bias = b.input("bias", {5});
  EXPECT_EQ(b.type(b("MatMul", {a, w, bias}, {{"transpose_b", int64_t{1}}})), f32({7, 2, 5}));
  EXPECT_EQ(b.type(b("MatMul", {b.input("p", {4, 1, 3, 2}), b.input("q", {6, 3, 8})},
                     {{"transpose_a", int64_t{1}}})),
            f32({4, 6, 2, 8}));
  EXPECT_THAT([&] { b("MatMul", {a, w}); }, ThrowsMessage<Error>(HasSubstr("3 and 5 differ")));
  EXPECT_THAT(
      [&] {
        b("MatMul", {a, w, w}, {{"transpose_b", int64_t{1}}});
      },
      ThrowsMessage<Error>(HasSubstr("bias")));
}

TEST(Shapes, Convolution) {
  Build b;
  const auto x = b.input("x", {2, 4, 9, 8}), w = b.input("w", {6, 2, 3, 3});
  const auto y = b("Conv", {x, w}, conv_attributes({2, 1}, {1, 0, 1, 0}, 2));
  EXPECT_EQ(b.type(y), f32({2, 6, 5, 6}));
  const Node& node = b.graph.nodes().back();
  EXPECT_EQ(node_cost(b.graph, node).flops, 2.0 * 2 * 6 * 5 * 6 * 2 * 9);
  EXPECT_THAT(
      [&] {
        b("Conv", {x, w}, conv_attributes({1, 1}, {0, 0, 0, 0}));
      },
      ThrowsMessage<Error>(HasSubstr("4 channels")));
  EXPECT_THAT(
      [&] {
        b("Conv", {b.input("small", {2, 4, 2, 2}), w}, conv_attributes({1, 1}, {0, 0, 0, 0}, 2));
      },
      ThrowsMessage<Error>(HasSubstr("does not fit")));
}

TEST(Shapes, PoolingRoundsAsAsked) {
  Build b;
  const auto x = b.input("x", {1, 3, 6, 6});
  Attributes window{{"kernel_shape", Ints{3, 3}},
                    {"strides", Ints{2, 2}},
                    {"pads", Ints(4, 0)},
                    {"dilations", Ints{1, 1}},
                    {"ceil_mode", int64_t{0}}};
  EXPECT_EQ(b.type(b("MaxPool", {x}, window)), f32({1, 3, 2, 2}));
  window.set("ceil_mode", int64_t{1});
  const auto ceiled = b.all("MaxPool", {x}, window);
  EXPECT_EQ(b.type(ceiled[0]), f32({1, 3, 3, 3}));
  EXPECT_EQ(b.type(ceiled[1]), (TensorType{DType::u8, {1, 3, 3, 3}}));
  // The third window would start in the end padding: 2 * 2 = 4 is not before 3 + 1.
  Attributes padded{{"kernel_shape", Ints{2}},
                    {"strides", Ints{2}},
                    {"pads", Ints{1, 1}},
                    {"ceil_mode", int64_t{1}},
                    {"count_include_pad", int64_t{0}}};
  EXPECT_EQ(b.type(b("AveragePool", {b.input("line", {1, 1, 3})}, padded)), f32({1, 1, 2}));
}

TEST(Shapes, NormalizationGivesItsStatistics) {
  Build b;
  const auto x = b.input("x", {2, 5, 8});
  const auto y = b.all("LayerNormalization", {x, b.parameter("scale", {8})},
                       {{"axis", int64_t{2}}, {"epsilon", 1e-5}});
  ASSERT_EQ(y.size(), 3u);
  EXPECT_EQ(b.type(y[1]), f32({2, 5, 1}));
  EXPECT_THAT(
      [&] {
        b("LayerNormalization", {x, b.parameter("s", {5})},
          {{"axis", int64_t{2}}, {"epsilon", 1e-5}});
      },
      ThrowsMessage<Error>(HasSubstr("scale is f32[5], f32[8] wanted")));
  std::vector<ValueId> batch{x};
  for (int i = 0; i < 4; ++i) batch.push_back(b.state("s", {5}));
  EXPECT_EQ(b.all("BatchNormalization", batch, {{"epsilon", 1e-5}, {"momentum", 0.9}}).size(), 5u);
  const auto fused =
      b.all("BatchNormalization", batch,
            {{"epsilon", 1e-5}, {"momentum", 0.9}, {"activation", std::string("relu")}});
  ASSERT_EQ(fused.size(), 6u);
  EXPECT_EQ(b.type(fused[5]), (TensorType{DType::u8, {2, 5, 8}}));
}

TEST(Shapes, Movement) {
  Build b;
  const auto x = b.input("x", {2, 3, 4});
  EXPECT_EQ(b.type(b("Reshape", {x}, {{"shape", Ints{6, 4}}})), f32({6, 4}));
  EXPECT_EQ(b.type(b("Transpose", {x}, {{"perm", Ints{2, 0, 1}}})), f32({4, 2, 3}));
  EXPECT_EQ(b.type(b("Expand", {x}, {{"shape", Ints{5, 2, 3, 4}}})), f32({5, 2, 3, 4}));
  EXPECT_EQ(b.type(b("Concat", {x, x}, {{"axis", int64_t{1}}})), f32({2, 6, 4}));
  EXPECT_EQ(b.type(b.all("Split", {x}, {{"axis", int64_t{2}}, {"split", Ints{1, 3}}})[1]),
            f32({2, 3, 3}));
  EXPECT_EQ(b.type(b("Pad", {x}, {{"pads", Ints{0, 1, -1, 0, 2, 0}}})), f32({2, 6, 3}));
  EXPECT_EQ(b.type(b("Gather", {x, b.input("i", {7, 5}, DType::i64)}, {{"axis", int64_t{1}}})),
            f32({2, 7, 5, 4}));
  EXPECT_THAT(
      [&] {
        b("Reshape", {x}, {{"shape", Ints{5}}});
      },
      ThrowsMessage<Error>(HasSubstr("[5]")));
  EXPECT_THAT([&] { b("Transpose", {x}, {{"perm", Ints{0, 0, 1}}}); }, Throws<Error>());
  EXPECT_THAT(
      [&] {
        b("Split", {x}, {{"axis", int64_t{2}}, {"split", Ints{1, 1}}});
      },
      Throws<Error>());
}

TEST(Shapes, SliceCountsFromBothEnds) {
  Build b;
  const auto x = b.input("x", {7, 4});
  EXPECT_EQ(b.type(b("Slice", {x},
                     {{"starts", Ints{1, 0}}, {"ends", Ints{7, 4}}, {"steps", Ints{3, 1}}})),
            f32({2, 4}));
  EXPECT_EQ(b.type(b("Slice", {x},
                     {{"starts", Ints{6, 3}}, {"ends", Ints{-1, 0}}, {"steps", Ints{-2, -1}}})),
            f32({4, 3}));
  EXPECT_THAT(
      [&] {
        b("Slice", {x}, {{"starts", Ints{0, 0}}, {"ends", Ints{8, 4}}, {"steps", Ints{1, 1}}});
      },
      ThrowsMessage<Error>(HasSubstr("0:8:1")));
}

TEST(Shapes, Losses) {
  Build b;
  const auto logits = b.input("logits", {2, 10, 3}), target = b.input("t", {2, 3}, DType::i64);
  const auto loss = b.all("SoftmaxCrossEntropy", {logits, target},
                          {{"axis", int64_t{1}}, {"reduction", std::string("mean")}});
  EXPECT_EQ(b.type(loss[0]), f32({}));
  EXPECT_EQ(b.type(loss[1]), f32({2, 3}));
  EXPECT_EQ(b.type(loss[2]), f32({2, 3}));
  EXPECT_THAT(
      [&] {
        b("SoftmaxCrossEntropy", {logits, target},
          {{"axis", int64_t{2}}, {"reduction", std::string("mean")}});
      },
      ThrowsMessage<Error>(HasSubstr("shape [2, 10] wanted")));
  EXPECT_THAT(
      [&] {
        b("MeanSquaredError", {logits, target}, {{"reduction", std::string("sum")}});
      },
      Throws<Error>());
}

TEST(Shapes, TheErrorNamesTheNode) {
  Build b;
  EXPECT_THAT([&] { b.graph.add("Relu", {}, {}, Phase::forward, kNoNode, "layer1/relu"); },
              ThrowsMessage<Error>(HasSubstr("node 'layer1/relu' (Relu)")));
}

TEST(Costs, ProductsCountEveryMultiplication) {
  Build b;
  b("MatMul", {b.input("a", {6, 4, 3}), b.input("b", {6, 3, 5})});
  const Cost cost = node_cost(b.graph, b.graph.nodes().back());
  EXPECT_EQ(cost.flops, 2.0 * 6 * 4 * 5 * 3);
  EXPECT_EQ(cost.bytes, 4.0 * (6 * 4 * 3 + 6 * 3 * 5 + 6 * 4 * 5));
}

TEST(Costs, ViewsAreFree) {
  Build b;
  b("Reshape", {b.input("x", {6, 4})}, {{"shape", Ints{24}}});
  const Cost cost = node_cost(b.graph, b.graph.nodes().back());
  EXPECT_EQ(cost.flops, 0);
  EXPECT_EQ(cost.bytes, 0);
}

}  // namespace
}  // namespace headrace
