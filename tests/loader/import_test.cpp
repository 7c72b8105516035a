#include <gmock/gmock.h>

#include <cmath>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

MATCHER(Near, "") { return std::fabs(std::get<0>(arg) - std::get<1>(arg)) < 1e-5; }

std::vector<double> result(const std::string& body, int opset,
                           const std::vector<HostTensor>& inputs) {
  LoadOptions options = folding();
  options.training = false;
  return run(load_text(body, opset, options), inputs).at(0);
}

TEST(OldForms, SoftmaxBefore13IsOverTheFlattenedRest) {
  const auto x = floats({1, 2, 2}, {0, 0, 0, 0});
  EXPECT_THAT(result("g (float[1,2,2] x) => (float[1,2,2] y) { y = Softmax(x) }", 11, {x}),
              ElementsAre(0.25, 0.25, 0.25, 0.25));
  EXPECT_THAT(result("g (float[1,2,2] x) => (float[1,2,2] y) { y = Softmax(x) }", 13, {x}),
              ElementsAre(0.5, 0.5, 0.5, 0.5));
}

TEST(OldForms, AttributesThatBecameInputs) {
  const auto x = counting({2, 3});
  EXPECT_THAT(
      result("g (float[2,3] x) => (float[2,3] y) { y = Clip<min = 1.0, max = 4.0>(x) }", 9, {x}),
      ElementsAre(1, 1, 2, 3, 4, 4));
  EXPECT_THAT(result("g (float[2,3] x) => (float[2,2] y) { y = Slice<starts = [1], ends = [9], "
                     "axes = [1]>(x) }",
                     9, {x}),
              ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(
      result("g (float[2,3] x) => (float[2] y) { y = ReduceSum<axes = [-1], keepdims = 0>(x) }", 11,
             {x}),
      ElementsAre(3, 12));
  EXPECT_THAT(
      result("g (float[2,3] x) => (float[1,2,3] y) { y = Unsqueeze<axes = [0]>(x) }", 11, {x}),
      ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(result("g (float[1,2] x) => (float[2] y) { y = Squeeze<axes = [0]>(x) }", 11,
                     {counting({1, 2})}),
              ElementsAre(0, 1));
  EXPECT_THAT(
      result("g (float[1,2] x) => (float[1,4] y) { y = Pad<pads = [0,1,0,1], value = 7.0>(x) }", 10,
             {counting({1, 2})}),
      ElementsAre(7, 0, 1, 7));
}

TEST(OldForms, SplitSizesAsAttributeInputAndCount) {
  const auto x = counting({7});
  EXPECT_THAT(result("g (float[7] x) => (float[5] b) { a, b = Split<split = [2,5]>(x) }", 11, {x}),
              ElementsAre(2, 3, 4, 5, 6));
  EXPECT_THAT(
      result("g (float[7] x) => (float[1] c) { a, b, c = Split<num_outputs = 3>(x) }", 18, {x}),
      ElementsAre(6));
}

TEST(OldForms, DropoutIsLiveOnlyInTraining) {
  const std::string body = "g (float[4] x) => (float[4] y) { y = Dropout<ratio = 0.5>(x) }";
  EXPECT_THAT(operators(load_text(body, 11)), ElementsAre("Dropout"));
  EXPECT_THAT(result(body, 11, {counting({4})}), ElementsAre(0, 1, 2, 3));
}

TEST(Import, ReshapeCopiesZerosAndFillsTheRest) {
  const auto x = counting({2, 3, 2});
  const std::string head = "g (float[2,3,2] x) => (float[a,b] y) <int64[2] s = ";
  EXPECT_EQ(load_text(head + "{0,-1}> { y = Reshape(x, s) }")
                .forward.graph.node(NodeId{0})
                .attributes.get_ints("shape"),
            (std::vector<int64_t>{2, 6}));
  EXPECT_THAT(message_of<Error>([&] { load_text(head + "{5,-1}> { y = Reshape(x, s) }"); }),
              HasSubstr("[2, 3, 2] does not reshape to [5, -1]"));
}

TEST(Import, SliceBoundsAreNormalised) {
  const std::string body = R"(g (float[5] x) => (float[n] y)
<int64[1] a = {-1}, int64[1] b = {-9223372036854775807}, int64[1] axis = {0}, int64[1] step = {-2}>
{ y = Slice(x, a, b, axis, step) })";
  EXPECT_THAT(result(body, 18, {counting({5})}), ElementsAre(4, 2, 0));
  const Attributes attributes = load_text(body).forward.graph.nodes()[0].attributes;
  EXPECT_THAT(attributes.get_ints("ends"), ElementsAre(-1));
}

TEST(Import, GemmScalesBroadcastsAndTransposes) {
  const std::string body = R"(g (float[2,1] x) => (float[1,2] y)
<float[2,2] w = {1,2,3,4}, float[1,2] c = {10,20}>
{ y = Gemm<transA = 1, transB = 1, alpha = 2.0, beta = 0.5>(x, w, c) })";
  EXPECT_THAT(result(body, 18, {counting({2, 1})}), ElementsAre(2 * 2 + 5, 2 * 4 + 10));
  const Model plain = load_text(R"(g (float[1,2] x) => (float[1,2] y)
<float[2,2] w = {1,2,3,4}, float[2] c = {10,20}> { y = Gemm(x, w, c) })");
  EXPECT_THAT(operators(plain), ElementsAre("MatMul"));
  EXPECT_EQ(plain.forward.graph.nodes()[0].inputs.size(), 3U);
}

TEST(Import, MatMulOfVectors) {
  const std::string body = R"(g (float[2] x) => (float y)
<float[2,2] w = {1,2,3,4}, float[2] v = {1,10}> { t = MatMul(x, w) y = MatMul(t, v) })";
  EXPECT_THAT(result(body, 18, {counting({2})}), ElementsAre(43));
}

TEST(Import, AutoPadAndAbsentKernelShape) {
  const Model model = load_text(R"(g (float[1,1,5,4] x) => (float[1,1,3,2] y)
<float[1,1,3,3] w = {1,1,1,1,1,1,1,1,1}>
{ y = Conv<auto_pad = "SAME_UPPER", strides = [2,2]>(x, w) })");
  EXPECT_THAT(model.forward.graph.nodes()[0].attributes.get_ints("pads"), ElementsAre(1, 0, 1, 1));
}

TEST(Import, TileRepeatsWholeTensors) {
  EXPECT_THAT(result("g (float[1,2] x) => (float[2,4] y) <int64[2] r = {2,2}> { y = Tile(x, r) }",
                     18, {counting({1, 2})}),
              ElementsAre(0, 1, 0, 1, 0, 1, 0, 1));
}

TEST(Import, BranchesAreChosenByConstantConditionsOnly) {
  const std::string head =
      "g (float[2] x, bool fed) => (float[2] y) <int64 two = {2}> { r = Shape(x) ";
  const std::string branches = R"( <then_branch = a () => (float[2] p) { p = Neg(x) },
                                    else_branch = b () => (float[2] q) { q = Relu(x) }> })";
  EXPECT_THAT(operators(load_text(head + "s = Squeeze(r) c = Equal(s, two) y = If(c)" + branches)),
              ElementsAre("Neg"));
  EXPECT_THAT(message_of<Error>([&] { load_text(head + "y = If(fed)" + branches); }),
              HasSubstr("its condition is computed from data"));
}

TEST(Import, SequencesOfKnownLengthDissolve) {
  const std::string body = R"(g (float[4] x) => (float[2] y) <int64 two = {2}, int64 last = {-1}>
{ s = SplitToSequence<axis = 0>(x, two) y = SequenceAt(s, last) })";
  EXPECT_THAT(result(body, 18, {counting({4})}), ElementsAre(2, 3));
}

TEST(Import, OutputsKeepTheirNamesAndOrder) {
  const Model model = load_text(R"(g (float[2] x) => (float[2] same, float[2] y, float[2] again)
{ same = Identity(x) t = Neg(x) y = Identity(t) again = Identity(t) })");
  const Graph& graph = model.forward.graph;
  std::vector<std::string> names;
  for (const ValueId id : graph.outputs) names.push_back(graph.value(id).name);
  EXPECT_THAT(names, ElementsAre("same", "y", "again"));
  EXPECT_THAT(run(model, {counting({2})})[2], ElementsAre(0, -1));
}

TEST(Import, LossesInsideTheModel) {
  const Model model = load_text(R"(g (float[2,3] x, int64[2] t) => (float loss, float[2,3] lp)
{ loss, lp = SoftmaxCrossEntropyLoss<reduction = "mean">(x, t) })");
  EXPECT_THAT(operators(model), ElementsAre("SoftmaxCrossEntropy", "LogSoftmax"));
  const std::vector<int64_t> target = {0, 2};
  const auto outputs =
      run(model, {floats({2, 3}, {0, 0, 0, 0, 0, 0}), make_host_tensor<int64_t>({2}, target)});
  EXPECT_THAT(outputs[0], Pointwise(Near(), {std::log(3.0)}));
}

TEST(Import, AttentionIsWrittenOut) {
  // One head of size 1: scores q k, two positions, causal.
  const std::string body =
      R"(g (float[1,1,2,1] q, float[1,1,2,1] k, float[1,1,2,1] v) => (float[1,1,2,1] y)
{ y = Attention<is_causal = 1>(q, k, v) })";
  const auto q = floats({1, 1, 2, 1}, {1, 2}), k = floats({1, 1, 2, 1}, {3, 4}),
             v = floats({1, 1, 2, 1}, {10, 20});
  const double e = std::exp(6.0), f = std::exp(8.0);
  EXPECT_THAT(result(body, 23, {q, k, v}), Pointwise(Near(), {10.0, (10 * e + 20 * f) / (e + f)}));
}

TEST(Import, AttentionRowsWithoutAKeyAreZero) {
  const std::string body =
      R"(g (float[1,1,2,1] q, float[1,1,2,1] k, float[1,1,2,1] v, bool[2,2] m) => (float[1,1,2,1] y)
{ y = Attention(q, k, v, m) })";
  const auto one = floats({1, 1, 2, 1}, {1, 2});
  auto [mask, bytes] = allocate_host_tensor({DType::boolean, {2, 2}});
  const bool values[] = {false, false, true, false};
  std::copy(std::begin(values), std::end(values), reinterpret_cast<bool*>(bytes));
  EXPECT_THAT(result(body, 23, {one, one, one, mask}), ElementsAre(0, 1));
}

TEST(Import, AShapeThatAsksForTooMuchMemoryIsRefused) {
  EXPECT_THAT(message_of<Error>([] {
                load_text(R"(g (float[1] x) => (float[n] y) <int64[2] s = {100000, 1000000}>
{ z = ConstantOfShape(s) y = Add(x, z) })");
              }),
              HasSubstr("would take 400000000000 bytes"));
}

TEST(Inspect, CountsAndNeverThrowsForWhatIsNotSupported) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  write_onnx(parse_onnx(R"(g (float[N,3] x) => (float[N,2] y, float[m] z)
<float[3,2] w = {1,2,3,4,5,6}, float[2] b = {0,0}>
{ t = MatMul(x, w) y = Add(t, b) z = Unique(x) })"),
             path);
  const Inspection inspection = inspect_model(path, folding());
  EXPECT_EQ(inspection.opset, 18);
  EXPECT_EQ(inspection.nodes, 3);
  EXPECT_EQ(inspection.operators.at("MatMul"), 1);
  EXPECT_EQ(inspection.parameters, 8);
  EXPECT_EQ(inspection.trainable, 8);
  ASSERT_EQ(inspection.unsupported.size(), 1U);
  EXPECT_EQ(inspection.unsupported[0].op, "Unique");
}

TEST(Inspect, FlopsOfOneBatch) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  write_onnx(parse_onnx(R"(g (float[N,3] x) => (float[N,2] y) <float[3,2] w = {1,2,3,4,5,6}>
{ y = MatMul(x, w) })"),
             path);
  LoadOptions options = folding();
  options.batch = 10;
  EXPECT_EQ(inspect_model(path, options).flops, 2 * 10 * 3 * 2);
  EXPECT_EQ(inspect_model(path, folding()).flops, 2 * 3 * 2);
}

TEST(Import, AShapeMayComeFromAnInputWhoseContentsAreGiven) {
  const std::string body = R"(g (float[2,3] x, int64[1] n) => (float[3,2] y)
<int64[1] three = {3}> { shape = Concat<axis=0>(three, n) y = Reshape(x, shape) })";
  EXPECT_THROW(load_text(body), Error);
  LoadOptions options = folding();
  const std::vector<int64_t> two = {2}, four = {4};
  options.input_contents["n"] = make_host_tensor<int64_t>({1}, two);
  const Graph graph = load_text(body, 18, options).forward.graph;
  EXPECT_EQ(graph.value(graph.outputs.at(0)).type.shape, (Shape{3, 2}));
  options.input_contents["n"] = make_host_tensor<int64_t>({1}, four);
  EXPECT_THROW(load_text(body, 18, options), Error);
}

}  // namespace
}  // namespace headrace
