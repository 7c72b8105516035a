#include "kernels/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/tensors.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Node node(std::string op, size_t inputs, Attributes attributes = {}) {
  Node n;
  n.op = n.name = std::move(op);
  for (size_t i = 0; i < inputs; ++i) n.inputs.push_back(static_cast<ValueId>(i));
  n.attributes = std::move(attributes);
  return n;
}

TEST(Evaluate, OneNode) {
  const std::vector<HostTensor> inputs{floats({2}, {1, 2}), floats({2, 1}, {10, 20})};
  const auto y = evaluate(node("Add", 2), inputs).at(0);
  EXPECT_EQ(y.type, (TensorType{DType::f32, {2, 2}}));
  EXPECT_THAT(to_doubles(y), ElementsAre(11, 12, 21, 22));
}

TEST(Evaluate, GivesEveryOutput) {
  const std::vector<HostTensor> inputs{floats({5}, {1, 2, 3, 4, 5})};
  const auto parts = evaluate(
      node("Split", 1, {{"axis", int64_t{0}}, {"split", std::vector<int64_t>{2, 3}}}), inputs);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(to_doubles(parts[0]), ElementsAre(1, 2));
  EXPECT_THAT(to_doubles(parts[1]), ElementsAre(3, 4, 5));
}

TEST(Evaluate, TakesAnOptionalInputThatIsLeftOut) {
  Node layer = node("LayerNormalization", 2, {{"axis", int64_t{1}}, {"epsilon", 0.0}});
  layer.inputs.push_back(kNoValue);
  const std::vector<HostTensor> inputs{floats({1, 2}, {1, 3}), floats({2}, {2, 2}), {}};
  EXPECT_THAT(to_doubles(evaluate(layer, inputs).at(0)), ElementsAre(-2, 2));
}

TEST(Evaluate, RefusesWhatHasNoLoop) {
  auto [half, bytes] = allocate_host_tensor({DType::f16, {2}});
  std::fill_n(bytes, 4, std::byte{0});
  const std::vector<HostTensor> inputs{half};
  try {
    evaluate(node("Exp", 1), inputs);
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no kernel for Exp(f16[2])"));
  }
}

// y = relu(x w) with x an input and w a parameter.
struct SmallGraph {
  Graph graph;
  ValueId x, w, product, y;

  SmallGraph() {
    x = graph.add_input("x", {DType::f32, {1, 2}});
    w = graph.add_parameter("w", floats({2, 2}, {1, -1, 2, -2}));
    product = graph.add("MatMul", {x, w});
    y = graph.add("Relu", {product});
  }
};

TEST(EvaluateGraph, ComputesWhatIsWanted) {
  const SmallGraph g;
  const Feeds feeds{{g.x, floats({1, 2}, {1, 1})}};
  const auto results = evaluate_graph(g.graph, feeds, std::vector{g.y, g.product});
  EXPECT_THAT(to_doubles(results[0]), ElementsAre(3, 0));
  EXPECT_THAT(to_doubles(results[1]), ElementsAre(3, -3));
}

TEST(EvaluateGraph, TakesFeedsOfAnyValue) {
  const SmallGraph g;
  EXPECT_THAT(to_doubles(evaluate_graph(g.graph, {{g.product, floats({1, 2}, {-1, 5})}},
                                        std::vector{g.y})[0]),
              ElementsAre(0, 5));
  const Feeds feeds{{g.x, floats({1, 2}, {1, 1})}, {g.w, floats({2, 2}, {1, 1, 1, 1})}};
  EXPECT_THAT(to_doubles(evaluate_graph(g.graph, feeds, std::vector{g.y})[0]), ElementsAre(2, 2));
}

TEST(EvaluateGraph, ComputesInF64) {
  const SmallGraph g;
  const double fine = 1 + 0x1p-40;
  const Feeds feeds{{g.x, make_host_tensor<double>({1, 2}, std::vector{fine, 0.0})}};
  const auto y = evaluate_graph(g.graph, feeds, std::vector{g.y}, {.in_f64 = true, .step = {}})[0];
  EXPECT_EQ(y.type.dtype, DType::f64);
  EXPECT_THAT(to_doubles(y), ElementsAre(fine, 0));
}

TEST(EvaluateGraph, NamesWhatIsWrongWithFeeds) {
  const SmallGraph g;
  const auto message = [&](const Feeds& feeds) -> std::string {
    try {
      evaluate_graph(g.graph, feeds, std::vector{g.y});
    } catch (const Error& error) {
      return error.what();
    }
    return "no Error";
  };
  EXPECT_THAT(message({}), HasSubstr("'x' is not fed"));
  EXPECT_THAT(message({{g.x, floats({2, 1}, {1, 1})}}), HasSubstr("'x' is fed f32[2, 1]"));
}

}  // namespace
}  // namespace headrace
