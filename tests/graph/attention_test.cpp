#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>

#include "graph/op_def.h"
#include "graph/passes.h"
#include "kernels/evaluate.h"
#include "tests/graph/build.h"

// Attention is found in the forms that exporters write, left alone where it is something else, and
// computes what its parts compute, gradients included.
namespace headrace {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::SizeIs;
using Ints = std::vector<int64_t>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kBatch = 2, kHeads = 3, kQueries = 4, kKeys = 5, kWidth = 8;

bool want_all(const Node&, const std::vector<TensorType>&, const std::vector<TensorType>&) {
  return true;
}

// A decoder's or encoder's attention over heads, which come out of Transposes of [B, S, H, D].
class Heads : public Build {
 public:
  explicit Heads(int64_t queries = kQueries, int64_t keys = kKeys) : queries(queries), keys(keys) {}

  ValueId split(const std::string& name, int64_t rows) {
    return parameter(name, {kBatch, rows, kHeads, kWidth});
  }
  ValueId transposed(ValueId x, Ints perm) {
    return (*this)("Transpose", {x}, {{"perm", std::move(perm)}});
  }
  ValueId q() { return transposed(split("q", queries), {0, 2, 1, 3}); }
  ValueId k() { return transposed(split("k", keys), {0, 2, 1, 3}); }
  ValueId k_t() { return transposed(split("k", keys), {0, 2, 3, 1}); }
  ValueId v() { return transposed(split("v", keys), {0, 2, 1, 3}); }
  ValueId times(ValueId x, double factor) { return (*this)("Mul", {x, number(factor)}); }
  ValueId softmax(ValueId x) { return (*this)("Softmax", {x}, {{"axis", int64_t{3}}}); }
  ValueId mixed(ValueId weights) { return (*this)("MatMul", {weights, v()}); }

  // [S, T]: 0 up to the diagonal, `hidden` behind it.
  ValueId causal_mask(float hidden) {
    std::vector<float> entries;
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) entries.push_back(j <= i ? 0 : hidden);
    return constant<float>({queries, keys}, entries);
  }
  ValueId tril() {
    const auto entries = std::make_unique<bool[]>(static_cast<size_t>(queries * keys));
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) entries[static_cast<size_t>(i * keys + j)] = j <= i;
    return graph.add_constant(
        "tril", make_host_tensor<bool>(
                    {queries, keys},
                    std::span<const bool>(entries.get(), static_cast<size_t>(queries * keys))));
  }

  const int64_t queries, keys;
};

ForwardGraph canonical(Heads& b, ValueId y, std::vector<ValueId> more = {}) {
  b.graph.outputs = {y};
  b.graph.outputs.insert(b.graph.outputs.end(), more.begin(), more.end());
  return canonicalize({b.graph, {}});
}
Graph fused(Heads& b, ValueId y, std::vector<ValueId> more = {}) {
  return fuse_attention(canonical(b, y, std::move(more)), DType::bf16, want_all).graph;
}

// The sum of y's squares, and the gradients of all parameters by name, in double.
std::map<std::string, std::vector<double>> loss_and_gradients(const Graph& graph) {
  Graph forward = graph;
  const ValueId y = forward.outputs[0];
  const ValueId target = forward.add_constant("target", [&] {
    auto [tensor, bytes] = allocate_host_tensor(forward.value(y).type);
    for (int64_t i = 0; i < tensor.type.elements(); ++i)
      reinterpret_cast<float*>(bytes)[i] = static_cast<float>(i % 7) / 7;
    return tensor;
  }());
  const ValueId loss =
      forward.add("MeanSquaredError", {y, target}, {{"reduction", std::string("sum")}});
  const TrainingGraph training = differentiate(forward, {{.value = loss}}, {});
  Feeds feeds{{training.loss_seed, scalar_tensor(1.0F)}};
  for (size_t v = 0; v < training.graph.values().size(); ++v) {
    const Value& value = training.graph.values()[v];
    if (value.role != Role::parameter && value.role != Role::input) continue;
    const auto id = static_cast<ValueId>(v);
    if (id == training.loss_seed) continue;
    std::mt19937_64 random(std::hash<std::string>{}(value.name));
    std::vector<double> drawn;
    for (int64_t i = 0; i < value.type.elements(); ++i)
      drawn.push_back(static_cast<double>(random() >> 11) * 0x1p-52 - 1);
    feeds[id] = make_host_tensor<double>(value.type.shape, drawn);
  }
  GraphEvaluator evaluator(training.graph, {.in_f64 = true, .step = {}});
  std::map<std::string, std::vector<double>> result;
  result["loss"] = to_doubles(evaluator.run(feeds, std::vector{training.loss})[0]);
  for (const auto& gradient : training.gradients)
    result[training.graph.value(gradient.parameter).name] =
        to_doubles(evaluator.run(feeds, gradient.contributions)[0]);
  return result;
}

// One node in place of the pattern, with these attributes, and the same numbers.
void expect_fused(Heads& b, ValueId y, double scale, bool causal, size_t inputs) {
  const Graph parts = canonical(b, y).graph;
  const Graph whole = fused(b, y);
  EXPECT_THAT(operators(whole), Not(Contains("Softmax")));
  const Node& node = only(whole, "Attention");
  EXPECT_NEAR(node.attributes.get_float("scale"), scale, 1e-6 * scale);
  EXPECT_EQ(node.attributes.get_int("causal"), int64_t{causal});
  EXPECT_THAT(node.inputs, SizeIs(inputs));
  EXPECT_EQ(whole.value(node.outputs.at(1)).type,
            (TensorType{DType::f32, {kBatch, kHeads, b.queries, 1}}));
  const auto wanted = loss_and_gradients(parts), is = loss_and_gradients(whole);
  ASSERT_EQ(is.size(), wanted.size());
  for (const auto& [name, values] : wanted)
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(is.at(name).at(i), values[i], 1e-6 * std::max(1.0, std::abs(values[i])))
          << name << "[" << i << "]";
}

TEST(FuseAttention, ByDividedScores) {
  Heads b;
  const auto scores = b("Div", {b("MatMul", {b.q(), b.k_t()}), b.number(4)});
  expect_fused(b, b.mixed(b.softmax(scores)), 0.25, false, 3);
}

// As PyTorch's exporters write it: the root of the scale on both operands, a causal mask of -inf.
TEST(FuseAttention, ByScaledOperandsAndACausalMask) {
  for (const float hidden : {-kInf, std::numeric_limits<float>::lowest(), -1e9F}) {
    Heads b(kKeys, kKeys);
    const auto scores = b("MatMul", {b.times(b.q(), 0.5), b.times(b.k_t(), 0.5)});
    const auto masked = b("Add", {scores, b.causal_mask(hidden)});
    expect_fused(b, b.mixed(b.softmax(masked)), 0.25, true, 3);
  }
}

// The current exporter: k^T through a matrix per head, a guard against rows of NaN.
TEST(FuseAttention, ThroughAMatrixPerHeadAndBehindAGuard) {
  Heads b(kKeys, kKeys);
  const auto flat = b("Reshape", {b.k()}, {{"shape", Shape{kBatch * kHeads, kKeys, kWidth}}});
  const auto k_t = b("Reshape", {b.transposed(flat, {0, 2, 1})},
                     {{"shape", Shape{kBatch, kHeads, kWidth, kKeys}}});
  const auto scores = b("MatMul", {b.times(b.q(), 0.5), b.times(k_t, 0.5)});
  const auto weights = b.softmax(b("Add", {scores, b.causal_mask(-kInf)}));
  const auto guarded = b("Where", {b("IsNaN", {weights}), b.number(0), weights});
  expect_fused(b, b.mixed(guarded), 0.25, true, 3);
}

// masked_fill of scores that were scaled before.
TEST(FuseAttention, BySelectedScores) {
  for (const bool shown_first : {true, false}) {
    Heads b(kKeys, kKeys);
    const auto scores = b.times(b("MatMul", {b.q(), b.k_t()}), 0.25);
    const auto masked =
        shown_first ? b("Where", {b.tril(), scores, b.number(-kInf)})
                    : b("Where", {b.constant<bool>({1, kKeys}, {false, true, false, false, true}),
                                  b.number(-kInf), scores});
    expect_fused(b, b.mixed(b.softmax(masked)), 0.25, shown_first, shown_first ? 3 : 4);
  }
}

TEST(FuseAttention, OtherMasksAreItsBias) {
  Heads b;
  std::vector<float> slopes;
  for (int64_t i = 0; i < kHeads * kKeys; ++i) slopes.push_back(static_cast<float>(i) / -8);
  const auto scores = b("MatMul", {b.q(), b.k_t()});
  const auto biased = b("Add", {b.constant<float>({kHeads, 1, kKeys}, slopes), scores});
  expect_fused(b, b.mixed(b.softmax(biased)), 1, false, 4);
}

// A mask that is fed, beside the causal one.
TEST(FuseAttention, ACausalMaskAndABias) {
  Heads b(kKeys, kKeys);
  const auto scores = b("MatMul", {b.q(), b.k_t()});
  const auto causal = b("Add", {scores, b.causal_mask(-kInf)});
  const auto padded = b("Add", {causal, b.input("padding", {kBatch, 1, 1, kKeys})});
  expect_fused(b, b.mixed(b.softmax(padded)), 1, true, 4);
}

TEST(FuseAttention, AWholeMaskWithoutADiagonalIsNoCausalOne) {
  Heads b(kKeys, kKeys);
  std::vector<float> strict;  // the diagonal, too, is hidden, but for the first row
  for (int64_t i = 0; i < kKeys; ++i)
    for (int64_t j = 0; j < kKeys; ++j) strict.push_back(j < i || i + j == 0 ? 0 : -kInf);
  const auto scores = b("MatMul", {b.q(), b.k_t()});
  const auto masked = b("Add", {scores, b.constant<float>({kKeys, kKeys}, strict)});
  expect_fused(b, b.mixed(b.softmax(masked)), 1, false, 4);
}

TEST(FuseAttention, NotWhereARowSeesNoKey) {
  Heads b(2, 2);
  const auto mask = b.constant<float>({2, 2}, {-kInf, -kInf, 0, 0});
  const auto scores = b("Add", {b("MatMul", {b.q(), b.k_t()}), mask});
  EXPECT_THAT(operators(fused(b, b.mixed(b.softmax(scores)))), Not(Contains("Attention")));
}

TEST(FuseAttention, NotWhereTheBiasIsTrained) {
  Heads b;
  const auto bias = b.transposed(b.parameter("bias", {kQueries, kHeads, kKeys}), {1, 0, 2});
  const auto scores = b("Add", {b("MatMul", {b.q(), b.k_t()}), bias});
  EXPECT_THAT(operators(fused(b, b.mixed(b.softmax(scores)))), Not(Contains("Attention")));
}

TEST(FuseAttention, NotWhereOthersReadBetween) {
  Heads b;
  const auto scores = b("MatMul", {b.q(), b.k_t()});
  const auto weights = b.softmax(scores);
  const auto y = b.mixed(weights);
  EXPECT_THAT(operators(fused(b, y, {weights})), Not(Contains("Attention")));
  EXPECT_THAT(operators(fused(b, y, {b("Exp", {weights})})), Not(Contains("Attention")));
  EXPECT_THAT(operators(fused(b, y, {scores})), Not(Contains("Attention")));
  EXPECT_THAT(operators(fused(b, y)), Contains("Attention"));
}

TEST(FuseAttention, NotAroundADropout) {
  Heads b;
  const auto weights = b.softmax(b("MatMul", {b.q(), b.k_t()}));
  const auto dropped = b("Dropout", {weights}, {{"ratio", 0.1}, {"seed", int64_t{1}}});
  EXPECT_THAT(operators(fused(b, b.mixed(dropped))), Not(Contains("Attention")));
}

TEST(FuseAttention, NotOverAnotherAxisOrOtherProducts) {
  Heads b(kKeys, kKeys);
  const auto columns = b("Softmax", {b("MatMul", {b.q(), b.k_t()})}, {{"axis", int64_t{2}}});
  EXPECT_THAT(operators(fused(b, b.mixed(columns))), Not(Contains("Attention")));
  Heads c(kKeys, kKeys);
  const auto sum = c.softmax(c("Add", {c("MatMul", {c.q(), c.k_t()}), c.number(1)}));
  EXPECT_THAT(operators(fused(c, c("MatMul", {c.k_t(), sum}))), Not(Contains("Attention")));
}

TEST(FuseAttention, AsksForTheTypesThatProductsWillHave) {
  Heads b(kKeys, kKeys);
  const auto mask = b.input("mask", {kKeys, kKeys});
  const auto y = b.mixed(b.softmax(b("Add", {b("MatMul", {b.q(), b.k_t()}), mask})));
  std::vector<DType> asked;
  const auto refuse = [&](const Node&, const std::vector<TensorType>& in,
                          const std::vector<TensorType>& out) {
    for (const auto* types : {&in, &out})
      for (const TensorType& type : *types) asked.push_back(type.dtype);
    return false;
  };
  const ForwardGraph parts = canonical(b, y);
  const Graph graph = fuse_attention(parts, DType::f16, refuse).graph;
  EXPECT_EQ(to_string(graph), to_string(parts.graph));
  EXPECT_THAT(asked,
              ElementsAre(DType::f16, DType::f16, DType::f16, DType::f32, DType::f16, DType::f32));
}

// A scale that others read as well stays for them; their value does not change.
TEST(FuseAttention, ScaledOperandsThatOthersRead) {
  Heads b;
  const auto q = b.times(b.q(), 0.5);
  const auto y = b.mixed(b.softmax(b("MatMul", {q, b.k_t()})));
  const Graph parts = canonical(b, y, {b("Exp", {q})}).graph;
  const Graph whole = fused(b, y, {b("Exp", {q})});
  EXPECT_THAT(operators(whole), Contains("Attention"));
  for (const size_t output : {0, 1}) {
    Graph a = parts, c = whole;
    a.outputs = {a.outputs[output]};
    c.outputs = {c.outputs[output]};
    EXPECT_NEAR(loss_and_gradients(a).at("loss")[0], loss_and_gradients(c).at("loss")[0], 1e-6);
  }
}

TEST(NarrowProducts, AttentionIsAProductWhoseBiasStaysWide) {
  Heads b(kKeys, kKeys);
  const auto mask = b.input("mask", {kKeys, kKeys});
  const auto y = b.mixed(b.softmax(b("Add", {b("MatMul", {b.q(), b.k_t()}), mask})));
  std::vector<ValueId> remap;
  const Graph narrow = narrow_products(fused(b, y), DType::bf16, {}, &remap);
  const Node& node = only(narrow, "Attention");
  std::vector<DType> types;
  for (const auto* ids : {&node.inputs, &node.outputs})
    for (const ValueId id : *ids) types.push_back(narrow.value(id).type.dtype);
  EXPECT_THAT(types, ElementsAre(DType::bf16, DType::bf16, DType::bf16, DType::f32, DType::bf16,
                                 DType::f32));
}

TEST(Attention, SaysWhichShapesDoNotFit) {
  Build b;
  const auto q = b.input("q", {2, 3, 4, 8}), k = b.input("k", {2, 3, 5, 8});
  const auto v = b.input("v", {2, 3, 6, 8}), bias = b.input("bias", {4, 4});
  const Attributes a{{"scale", 1.0}, {"causal", int64_t{0}}};
  EXPECT_THROW(b("Attention", {q, k, v}, a), Error);
  EXPECT_THROW(b("Attention", {q, k, k, bias}, a), Error);
  EXPECT_NO_THROW(b("Attention", {q, k, k}, a));
}

}  // namespace
}  // namespace headrace
