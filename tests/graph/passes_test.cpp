#include "graph/passes.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>

#include "graph/op_def.h"
#include "tests/graph/build.h"

namespace headrace {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using Ints = std::vector<int64_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Attributes perm(Ints axes) { return {{"perm", std::move(axes)}}; }
Attributes shape(Ints dims) { return {{"shape", std::move(dims)}}; }

// The canonical form with `outputs` as the model's outputs.
Graph canonical(Build& b, std::vector<ValueId> outputs) {
  b.graph.outputs = std::move(outputs);
  return canonicalize({b.graph, {}}).graph;
}

// What every pass must keep: order, types that the operators' own rules give, producers.
void expect_consistent(const Graph& graph) {
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    Node node = graph.nodes()[n];
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const NodeId maker = graph.value(input).producer;
      EXPECT_TRUE(maker == kNoNode || index(maker) < n) << describe(graph, node);
    }
    const auto types = get_op(node.op).infer(node, graph.types(node.inputs));
    ASSERT_EQ(types, graph.types(node.outputs)) << describe(graph, node);
    for (const ValueId output : node.outputs) EXPECT_EQ(index(graph.value(output).producer), n);
  }
}

TEST(DropDead, KeepsInputsAndRenumbers) {
  Build b;
  const auto x = b.input("x", {2}), unused = b.input("unused", {3});
  b("Exp", {x});
  const auto y = b("Tanh", {x});
  b.graph.outputs = {y};
  std::vector<ValueId> remap;
  std::vector<NodeId> remap_nodes;
  const Graph graph = drop_dead(b.graph, b.graph.outputs, &remap, &remap_nodes);
  EXPECT_THAT(operators(graph), ElementsAre("Tanh"));
  EXPECT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.outputs[0], remap[index(y)]);
  EXPECT_EQ(graph.value(remap[index(unused)]).name, "unused");
  EXPECT_THAT(remap_nodes, ElementsAre(kNoNode, NodeId{0}));
}

TEST(Canonicalize, TakesOutWhatChangesNothing) {
  Build b;
  auto x = b.input("x", {2, 3});
  auto y = b("Tanh", {x});
  y = b("Identity", {y});
  y = b("Cast", {y}, {{"to", std::string("f32")}});
  y = b("Reshape",
        {
            b("Reshape", {y}, shape({6})),
        },
        shape({3, 2}));
  y = b("Transpose", {b("Transpose", {y}, perm({1, 0}))}, perm({1, 0}));
  y = b("Exp", {y});
  const Graph graph = canonical(b, {y});
  EXPECT_THAT(operators(graph), ElementsAre("Tanh", "Reshape", "Exp"));
  expect_consistent(graph);
}

TEST(Canonicalize, OutputsKeepTheirNames) {
  Build b;
  const auto x = b.input("x", {2, 3});
  const auto h = b("Tanh", {x});
  const auto named = b.graph.add("Identity", {h}, {}, Phase::forward, kNoNode, "prediction");
  const auto copy = b.graph.add("Identity", {named}, {}, Phase::forward, kNoNode, "copy");
  const auto echo = b.graph.add("Identity", {x}, {}, Phase::forward, kNoNode, "echo");
  const Graph graph = canonical(b, {named, copy, echo, b("Exp", {h})});
  EXPECT_THAT(operators(graph), ElementsAre("Tanh", "Reshape", "Reshape", "Exp"));
  std::vector<std::string> names;
  for (const ValueId output : graph.outputs) names.push_back(graph.value(output).name);
  EXPECT_THAT(names, ElementsAre("prediction", "copy", "echo", "Exp_4"));
  expect_consistent(graph);
}

TEST(Canonicalize, BiasAndReluGoIntoTheProduct) {
  for (const bool bias_first : {false, true}) {
    Build b;
    const auto x = b.input("x", {2, 5, 4}), bias = b.parameter("bias", {3});
    const auto product = b("MatMul", {x, b("Transpose", {b.parameter("w", {3, 4})}, perm({1, 0}))});
    const auto sum = bias_first ? b("Add", {bias, product}) : b("Add", {product, bias});
    const Graph graph = canonical(b, {b("Relu", {sum})});
    ASSERT_THAT(operators(graph), ElementsAre("MatMul"));
    EXPECT_EQ(graph.nodes()[0].inputs.size(), 3u);
    EXPECT_EQ(graph.nodes()[0].attributes.get_int("transpose_b"), 1);
    EXPECT_EQ(graph.nodes()[0].attributes.get_string("activation"), "relu");
    expect_consistent(graph);
  }
}

TEST(Canonicalize, WhatIsReadTwiceOrGivenOutIsNotFused) {
  Build b;
  const auto product = b("MatMul", {b.input("x", {2, 4}), b.parameter("w", {4, 3})});
  const auto y = b("Relu", {product});
  EXPECT_THAT(operators(canonical(b, {y, product})), ElementsAre("MatMul", "Relu"));
  EXPECT_THAT(operators(canonical(b, {y, b("Exp", {product})})),
              ElementsAre("MatMul", "Relu", "Exp"));
}

TEST(Canonicalize, ResidualsAreNoBias) {
  Build b;
  const auto x = b.input("x", {3, 3});
  const auto y = b("Add", {b("MatMul", {x, b.parameter("w", {3, 3})}), x});
  EXPECT_THAT(operators(canonical(b, {y})), ElementsAre("MatMul", "Add"));
}

TEST(Canonicalize, ReluIntoBatchNormalizationKeepsItsStateUpdates) {
  Build b;
  const auto x = b.input("x", {2, 3, 4, 4});
  const auto mean = b.state("mean", {3}), var = b.state("var", {3});
  const auto norm = b.all("BatchNormalization",
                          {x, b.parameter("scale", {3}), b.parameter("bias", {3}), mean, var},
                          {{"epsilon", 1e-5}, {"momentum", 0.9}});
  b.graph.outputs = {b("Relu", {norm[0]})};
  const auto result = canonicalize({b.graph, {{mean, norm[3]}, {var, norm[4]}}});
  ASSERT_THAT(operators(result.graph), ElementsAre("BatchNormalization"));
  const Node& node = result.graph.nodes()[0];
  ASSERT_EQ(node.outputs.size(), 6u);
  EXPECT_EQ(result.graph.outputs[0], node.outputs[0]);
  EXPECT_EQ(result.state_updates[0].replacement, node.outputs[3]);
  EXPECT_EQ(result.graph.value(result.state_updates[1].state).name, "var");
  expect_consistent(result.graph);
}

// As current exporters write k^T: through a matrix per head, scaled behind the transposition.
TEST(Canonicalize, AttentionScoresBecomeOneProductOfScaledOperands) {
  Build b;
  const auto q = b("Transpose", {b.input("q", {2, 5, 4, 8})}, perm({0, 2, 1, 3}));
  const auto k = b("Transpose", {b.input("k", {2, 5, 4, 8})}, perm({0, 2, 1, 3}));
  const auto flat = b("Transpose", {b("Reshape", {k}, shape({8, 5, 8}))}, perm({0, 2, 1}));
  const auto k_t = b("Reshape", {flat}, shape({2, 4, 8, 5}));
  const auto scores = b("MatMul", {b("Mul", {q, b.number(0.5)}), b("Mul", {k_t, b.number(0.5)})});
  const Graph graph = canonical(b, {scores});
  EXPECT_THAT(operators(graph), ElementsAre("Mul", "Mul", "Transpose", "Transpose", "MatMul"));
  EXPECT_EQ(only(graph, "MatMul").attributes.get_int("transpose_b"), 1);
  for (const Node& node : graph.nodes())
    if (node.op == "Transpose") {
      EXPECT_EQ(node.attributes.get_ints("perm"), (Ints{0, 2, 1, 3}));
    }
  expect_consistent(graph);
}

TEST(Canonicalize, TransposeThatOthersReadStays) {
  Build b;
  const auto k_t = b("Transpose", {b.input("k", {2, 5, 4, 8})}, perm({0, 2, 3, 1}));
  const auto scores = b("MatMul", {b.input("q", {2, 4, 5, 8}), k_t});
  const Graph graph = canonical(b, {scores, b("Exp", {k_t})});
  EXPECT_THAT(operators(graph), ElementsAre("Transpose", "MatMul", "Exp"));
  expect_consistent(graph);
}

TEST(Canonicalize, PositionsReadTheirTableDirectly) {
  Build b;
  const auto table = b.parameter("positions", {4, 8});
  const auto all = b.constant<int64_t>({4}, {0, 1, 2, 3});
  const auto some = b.constant<int64_t>({2}, {1, 2});
  const auto gathered = b("Gather", {table, all}, {{"axis", int64_t{0}}});
  const auto part = b("Gather", {table, some}, {{"axis", int64_t{0}}});
  const Graph graph = canonical(b, {b("Tanh", {gathered}), part});
  EXPECT_THAT(operators(graph), ElementsAre("Slice", "Tanh"));
  expect_consistent(graph);
}

TEST(Canonicalize, GeluInEveryOrder) {
  const double root = std::sqrt(2.0);
  for (int form = 0; form < 4; ++form) {
    Build b;
    const auto x = b("Tanh", {b.input("x", {2, 3})});
    const auto inside =
        form % 2 == 0 ? b("Div", {x, b.number(root)}) : b("Mul", {b.number(1 / root), x});
    const auto curve = b("Add", {b("Erf", {inside}), b.number(1)});
    const ValueId y = form == 0   ? b("Mul", {b("Mul", {x, curve}), b.number(0.5)})
                      : form == 1 ? b("Mul", {b("Mul", {b.number(0.5), x}), curve})
                      : form == 2 ? b("Mul", {x, b("Mul", {curve, b.number(0.5)})})
                                  : b("Div", {b("Mul", {curve, x}), b.number(2)});
    const Graph graph = canonical(b, {y});
    ASSERT_THAT(operators(graph), ElementsAre("Tanh", "Gelu")) << form;
    EXPECT_EQ(only(graph, "Gelu").attributes.get_string("approximate"), "none");
    expect_consistent(graph);
  }
}

TEST(Canonicalize, TanhGelu) {
  for (int form = 0; form < 3; ++form) {
    Build b;
    const auto x = b("Exp", {b.input("x", {2, 3})});
    const auto square = b("Mul", {x, x});
    const auto cube = form == 0 ? b("Pow", {x, b.number(3)}) : b("Mul", {square, x});
    const auto inside =
        form == 2 ? b("Mul", {x, b("Add", {b.number(1), b("Mul", {square, b.number(0.044715)})})})
                  : b("Add", {x, b("Mul", {b.number(0.044715), cube})});
    const auto curve = b("Tanh", {b("Mul", {inside, b.number(0.7978845608)})});
    const auto y = b("Mul", {b("Mul", {b.number(0.5), x}), b("Add", {b.number(1), curve})});
    const Graph graph = canonical(b, {y});
    ASSERT_THAT(operators(graph), ElementsAre("Exp", "Gelu")) << form;
    EXPECT_EQ(only(graph, "Gelu").attributes.get_string("approximate"), "tanh");
  }
}

TEST(Canonicalize, AlmostGeluStays) {
  Build b;
  const auto x = b.input("x", {2, 3});
  const auto curve = b("Add", {b("Erf", {b("Div", {x, b.number(1.5)})}), b.number(1)});
  const auto y = b("Mul", {b("Mul", {x, curve}), b.number(0.5)});
  EXPECT_THAT(operators(canonical(b, {y})), ElementsAre("Div", "Erf", "Add", "Mul", "Mul"));
}

TEST(Canonicalize, GatedActivations) {
  const std::string forms[] = {"Swish", "Swish 1.7", "Mish", "HardSwish", "HardSwish clipped"};
  for (const std::string& form : forms) {
    for (const bool near_miss : {false, true}) {
      Build b;
      const auto x = b("Exp", {b.input("x", {2, 3})});
      const auto other = b.input("other", {2, 3});
      const auto of = near_miss ? other : x;  // the gate of another value
      ValueId y = kNoValue;
      if (form == "Swish") {
        y = b("Mul", {b("Sigmoid", {of}), x});
      } else if (form == "Swish 1.7") {
        y = b("Mul", {x, b("Sigmoid", {b("Mul", {of, b.number(1.7)})})});
      } else if (form == "Mish") {
        y = b("Mul", {x, b("Tanh", {b("Softplus", {of})})});
      } else if (form == "HardSwish") {
        y = b("Mul",
              {x, b("HardSigmoid", {x}, {{"alpha", near_miss ? 0.2 : 1.0 / 6}, {"beta", 0.5}})});
      } else {
        const auto clipped = b("Clip", {b("Add", {x, b.number(3)})}, {{"min", 0.0}, {"max", 6.0}});
        y = b("Div", {b("Mul", {x, clipped}), b.number(near_miss ? 5 : 6)});
      }
      const Graph graph = canonical(b, {y});
      const auto fused = form.substr(0, form.find(' '));
      if (near_miss) {
        EXPECT_THAT(operators(graph), Not(Contains(fused))) << form;
      } else {
        ASSERT_THAT(operators(graph), ElementsAre("Exp", fused)) << form;
      }
      expect_consistent(graph);
    }
  }
}

TEST(Canonicalize, GateThatOthersReadStays) {
  Build b;
  const auto x = b.input("x", {2, 3});
  const auto gate = b("Sigmoid", {x});
  const Graph graph = canonical(b, {b("Mul", {x, gate}), b("Tanh", {gate})});
  EXPECT_THAT(operators(graph), ElementsAre("Sigmoid", "Mul", "Tanh"));
}

TEST(Canonicalize, LayerNormalizationFromItsParts) {
  for (int form = 0; form < 3; ++form) {
    Build b;
    const auto x = b.input("x", {2, 5, 8});
    const auto mean_of = [&](ValueId v) {
      return b("ReduceMean", {v}, {{"axes", Ints{2}}, {"keepdims", int64_t{1}}});
    };
    const auto centred = b("Sub", {x, mean_of(x)});
    const auto square = form == 0 ? b("Pow", {centred, b.number(2)}) : b("Mul", {centred, centred});
    const auto deviation = b("Sqrt", {b("Add", {mean_of(square), b.number(1e-5)})});
    const auto normal = form == 2 ? b("Mul", {centred, b("Reciprocal", {deviation})})
                                  : b("Div", {centred, deviation});
    const auto scaled = b("Mul", {normal, b.parameter("scale", {8})});
    const auto y = form == 1 ? scaled : b("Add", {scaled, b.parameter("bias", {8})});
    const Graph graph = canonical(b, {y});
    ASSERT_THAT(operators(graph), ElementsAre("LayerNormalization")) << form;
    const Node& node = graph.nodes()[0];
    EXPECT_EQ(node.attributes.get_int("axis"), 2);
    EXPECT_FLOAT_EQ(node.attributes.get_float("epsilon"), 1e-5f);
    EXPECT_EQ(node.inputs.size(), form == 1 ? 2u : 3u);
    expect_consistent(graph);
  }
}

// x s + (bias - mean s), as TensorFlow and Keras write it.
TEST(Canonicalize, LayerNormalizationScaledAndShifted) {
  for (int form = 0; form < 4; ++form) {
    Build b;
    const auto x = b.input("x", {2, 5, 8});
    const auto mean_of = [&](ValueId v) {
      return b("ReduceMean", {v}, {{"axes", Ints{2}}, {"keepdims", int64_t{1}}});
    };
    const auto mean = mean_of(x), bias = b.parameter("bias", {8});
    const auto centred = b("Sub", {x, mean});
    const auto variance = mean_of(b("Mul", {centred, centred}));
    const auto root = b("Sqrt", {b("Add", {variance, b.number(1e-3)})});
    const auto scale = b("Mul", {b("Reciprocal", {root}), b.parameter("scale", {8})});
    const auto other = form == 3 ? x : mean;  // no mean: the near miss
    const auto shift = form == 1   ? b("Add", {b("Mul", {b("Neg", {mean}), scale}), bias})
                       : form == 2 ? b("Add", {bias, b("Neg", {b("Mul", {scale, mean})})})
                                   : b("Sub", {bias, b("Mul", {other, scale})});
    const auto y = b("Add", {b("Mul", {x, scale}), shift});
    const Graph graph = canonical(b, {y});
    if (form == 3) {
      EXPECT_THAT(operators(graph), Not(Contains("LayerNormalization")));
    } else {
      ASSERT_THAT(operators(graph), ElementsAre("LayerNormalization")) << form;
      EXPECT_EQ(graph.nodes()[0].inputs.size(), 3u);
    }
    expect_consistent(graph);
  }
}

TEST(Canonicalize, NormalizationWithoutScale) {
  // Over the last axis: the fused operator with ones. Over another: as it was.
  for (const int64_t axis : {2, 1}) {
    Build b;
    const auto x = b.input("x", {2, 5, 8});
    const auto mean_of = [&](ValueId v) {
      return b("ReduceMean", {v}, {{"axes", Ints{axis}}, {"keepdims", int64_t{1}}});
    };
    const auto centred = b("Sub", {x, mean_of(x)});
    const auto variance = mean_of(b("Mul", {centred, centred}));
    const auto y = b("Div", {centred, b("Sqrt", {b("Add", {variance, b.number(1e-5)})})});
    const Graph graph = canonical(b, {y});
    if (axis == 2) {
      ASSERT_THAT(operators(graph), ElementsAre("LayerNormalization"));
      EXPECT_THAT(to_doubles(graph.value(graph.nodes()[0].inputs[1]).data), Each(1));
    } else {
      EXPECT_THAT(operators(graph), Not(Contains("LayerNormalization")));
    }
    expect_consistent(graph);
  }
}

class Masked : public ::testing::Test {
 protected:
  // softmax(scores + mask) behind a guard against rows of NaN
  Graph guarded(std::vector<float> mask) {
    Build b;
    const auto scores = b("Add", {b.input("x", {3, 2, 2}), b.constant<float>({2, 2}, mask)});
    const auto softmax = b("Softmax", {scores}, {{"axis", int64_t{2}}});
    return canonical(b, {b("Where", {b("IsNaN", {softmax}), b.number(0), softmax})});
  }
};

TEST_F(Masked, GuardIsNotNeededWhereEveryRowKeepsSomething) {
  const Graph graph = guarded({0, -kInfinity, 0, 0});
  EXPECT_THAT(operators(graph), ElementsAre("Add", "Softmax"));
  expect_consistent(graph);
}

TEST_F(Masked, GuardStaysWhereARowIsMaskedWhole) {
  EXPECT_THAT(operators(guarded({-kInfinity, -kInfinity, 0, 0})),
              ElementsAre("Add", "Softmax", "IsNaN", "Where"));
}

TEST_F(Masked, SelectedMaskIsAdded) {
  Build b;
  const auto future = b.constant<bool>({2, 2}, {false, true, false, false});
  const auto scores = b("Where", {future, b.number(-kInfinity), b.input("x", {3, 2, 2})});
  const auto softmax = b("Softmax", {scores}, {{"axis", int64_t{2}}});
  const Graph graph = canonical(b, {softmax});
  ASSERT_THAT(operators(graph), ElementsAre("Add", "Softmax"));
  EXPECT_THAT(to_doubles(graph.value(graph.nodes()[0].inputs[1]).data),
              ElementsAre(0, -kInfinity, 0, 0));
}

TEST(InferenceGraph, KeepsIdsAndLeavesTrainingFormsOut) {
  Build b;
  const auto x = b.input("x", {2, 3, 4, 4});
  const auto mean = b.state("mean", {3}), var = b.state("var", {3});
  const auto norm = b.all("BatchNormalization",
                          {x, b.parameter("scale", {3}), b.parameter("bias", {3}), mean, var},
                          {{"epsilon", 1e-5}, {"momentum", 0.9}});
  const auto y = b.all("Dropout", {norm[0]}, {{"ratio", 0.5}, {"seed", int64_t{1}}})[0];
  const auto loss =
      b("MeanSquaredError", {y, b.input("t", {2, 3, 4, 4})}, {{"reduction", std::string("mean")}});
  b.graph.outputs = {y};
  const auto training = differentiate(b.graph, {{loss, 1}}, {{mean, norm[3]}, {var, norm[4]}});
  const Graph graph = inference_graph(training);
  EXPECT_THAT(operators(graph),
              ElementsAre("BatchNormalizationInference", "Reshape", "MeanSquaredError"));
  EXPECT_EQ(graph.values().size(), training.graph.values().size());
  EXPECT_EQ(graph.nodes()[0].outputs, (std::vector<ValueId>{norm[0]}));
  EXPECT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.outputs, b.graph.outputs);
  EXPECT_EQ(graph.value(norm[3]).producer, kNoNode);
  expect_consistent(graph);
}

// Types by the operator that makes them, of the values that are read.
std::map<std::string, DType> made_as(const Graph& graph) {
  std::map<std::string, DType> types;
  for (const Node& node : graph.nodes())
    if (node.op != "Cast") types[node.op] = graph.value(node.outputs[0]).type.dtype;
  return types;
}

TEST(NarrowProducts, WhatIsPointwiseStaysNarrowBetweenThem) {
  Build b;
  const ValueId x = b.input("x", {4, 8});
  const ValueId hidden = b("Gelu", {b("MatMul", {x, b.parameter("w", {8, 16})})});
  const ValueId logits = b("MatMul", {hidden, b.parameter("v", {16, 5})});
  const ValueId probabilities = b("Softmax", {logits}, {{"axis", int64_t{1}}});
  b.graph.outputs = {probabilities};
  std::vector<ValueId> remap;
  const Graph narrow = narrow_products(b.graph, DType::bf16, std::vector{hidden}, &remap);
  EXPECT_EQ(made_as(narrow),
            (std::map<std::string, DType>{
                {"MatMul", DType::bf16}, {"Gelu", DType::bf16}, {"Softmax", DType::f32}}));
  for (const Value& value : narrow.values()) {
    if (value.role == Role::computed) continue;
    EXPECT_EQ(value.type.dtype, DType::f32) << value.name;
  }
  EXPECT_EQ(narrow.value(remap[index(hidden)]).type.dtype, DType::f32);  // a root
  EXPECT_EQ(narrow.value(remap[index(logits)]).type.dtype, DType::bf16);
  EXPECT_EQ(narrow.value(narrow.outputs.at(0)).name, b.graph.value(probabilities).name);
}

TEST(NarrowProducts, OneCastServesAllReaders) {
  Build b;
  const ValueId x = b.input("x", {4, 8});
  const ValueId left = b("MatMul", {x, b.parameter("w", {8, 8})});
  const ValueId right = b("MatMul", {x, b.parameter("v", {8, 8})});
  b.graph.outputs = {b("Add", {left, right}), b("Add", {left, x})};
  std::vector<ValueId> remap;
  const Graph narrow = narrow_products(b.graph, DType::f16, {}, &remap);
  int casts_of_x = 0;
  for (const Node& node : narrow.nodes())
    casts_of_x += node.op == "Cast" && node.inputs[0] == narrow.inputs[0] ? 1 : 0;
  EXPECT_EQ(casts_of_x, 1);
  // Beside something wide a sum is wide.
  EXPECT_EQ(narrow.value(remap[index(b.graph.outputs[1])]).type.dtype, DType::f32);
}

TEST(NarrowProducts, BatchStatisticsStayWide) {
  Build b;
  const ValueId x = b.input("x", {2, 3, 8, 8});
  const ValueId y = b("Conv", {x, b.parameter("w", {4, 3, 1, 1})},
                      {{"strides", Shape{1, 1}},
                       {"pads", Shape{0, 0, 0, 0}},
                       {"dilations", Shape{1, 1}},
                       {"group", int64_t{1}}});
  const auto normalized = b.all("BatchNormalization",
                                {y, b.parameter("scale", {4}), b.parameter("bias", {4}),
                                 b.state("mean", {4}), b.state("var", {4})},
                                {{"epsilon", 1e-5}, {"momentum", 0.9}});
  b.graph.outputs = {normalized[0]};
  std::vector<ValueId> remap;
  const Graph narrow =
      narrow_products(b.graph, DType::bf16, std::vector{normalized[3], normalized[4]}, &remap);
  for (const Node& node : narrow.nodes()) {
    if (node.op != "BatchNormalization") continue;
    EXPECT_EQ(narrow.value(node.inputs[0]).type.dtype, DType::bf16);
    EXPECT_EQ(narrow.value(node.inputs[1]).type.dtype, DType::f32);
    EXPECT_EQ(narrow.value(node.outputs[3]).type.dtype, DType::f32);
  }
}

}  // namespace
}  // namespace headrace
