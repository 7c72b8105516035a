#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A model that also imports ai.onnx.ml and a domain that is nobody's.
onnx::ModelProto with_domains(const std::string& body) {
  onnx::ModelProto model;
  const std::string text =
      "<ir_version: 8, opset_import: [\"\" : 18, \"ai.onnx.ml\" : 3, \"com.example\" : 1]>\n" +
      body;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(model);
  if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
  return model;
}

std::string refusal(const std::string& body) {
  return message_of<Error>([&] { load_onnx(with_domains(body)); });
}

std::vector<double> result(const std::string& body, const std::vector<HostTensor>& inputs) {
  return run(load_onnx(with_domains(body)), inputs).at(0);
}

TEST(Refusal, QuantizedOperatorsAreAllListed) {
  const std::string message = refusal(
      "g (float[2,3] x) => (float[2,4] y) <float s = {0.1}, uint8 z = {0}, "
      "uint8[3,4] w = {1,2,3,4,5,6,7,8,9,10,11,12}> {\n"
      "  [quantize] q = QuantizeLinear(x, s, z)\n"
      "  [product] p = QLinearMatMul(q, s, z, w, s, z, s, z)\n"
      "  [back] y = DequantizeLinear(p, s, z)\n}");
  EXPECT_THAT(
      message,
      AllOf(HasSubstr("3 of its nodes"), HasSubstr("\n  ai.onnx::QuantizeLinear 'quantize'"),
            HasSubstr("\n  ai.onnx::QLinearMatMul 'product': quantised arithmetic"),
            HasSubstr("\n  ai.onnx::DequantizeLinear 'back'")));
}

TEST(Refusal, TreesAndLinearModels) {
  const std::string message = refusal(
      "g (float[2,3] x) => (float[2,1] y) {\n"
      "  [trees] t = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 1>(x)\n"
      "  [line] l = ai.onnx.ml.LinearRegressor<coefficients = [1.0, 2.0, 3.0], targets = 1>(x)\n"
      "  y = Add(t, l)\n}");
  EXPECT_THAT(message, AllOf(HasSubstr("\n  ai.onnx.ml::TreeEnsembleRegressor 'trees': trees"),
                             HasSubstr("\n  ai.onnx.ml::LinearRegressor 'line': its weights are")));
}

TEST(Refusal, CustomDomain) {
  EXPECT_THAT(refusal("g (float[2] x) => (float[2] y) {\n [mine] y = com.example.Fancy(x)\n}"),
              HasSubstr("\n  com.example::Fancy 'mine': 'com.example' is not a domain of ONNX"));
}

TEST(Refusal, AKnownNameInAnotherDomainIsAnotherOperator) {
  EXPECT_THAT(refusal("g (float[2] x) => (float[2] y) {\n [mine] y = com.example.Relu(x)\n}"),
              HasSubstr("com.example::Relu 'mine'"));
}

TEST(Refusal, Strings) {
  EXPECT_THAT(refusal("g (string[2] x) => (string[2] y) {\n [lower] y = StringNormalizer(x)\n}"),
              HasSubstr("\n  ai.onnx::StringNormalizer 'lower': strings"));
  EXPECT_THAT(refusal("g (string[2] x) => (float[2] y) {\n [parse] y = Cast<to = 1>(x)\n}"),
              HasSubstr("\n  ai.onnx::Cast 'parse': its input 'x' is a tensor of type STRING"));
}

TEST(Refusal, SequencesOfTheRun) {
  EXPECT_THAT(refusal("g (seq(float[2]) x, int64 i) => (float[2] y) {\n"
                      "  [pick] y = SequenceAt(x, i)\n}"),
              HasSubstr("\n  ai.onnx::SequenceAt 'pick': its input 'x' is a sequence"));
  EXPECT_THAT(refusal("g (seq(float[2]) x) => (seq(float[2]) y) {\n"
                      "  [drop] y = SequenceErase(x)\n}"),
              HasSubstr("\n  ai.onnx::SequenceErase 'drop': sequences, maps"));
}

TEST(Refusal, InspectGivesTheSameReasonsWhereShapesAreOpen) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.onnx";
  write_onnx(with_domains("g (float[N,M] x) => (float[N,M] y) {\n"
                          "  [mine] a = com.example.Fancy(x)\n  y = ai.onnx.ml.Scaler(a)\n}"),
             path);
  const Inspection inspection = inspect_model(path, folding());
  ASSERT_EQ(inspection.unsupported.size(), 1U);
  EXPECT_EQ(inspection.unsupported[0].node, "mine");
  EXPECT_EQ(inspection.unsupported[0].domain, "com.example");
}

TEST(Tabular, ScalerTakesOneNumberOrOneForEachFeature) {
  const auto x = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_THAT(result("g (float[2,2] x) => (float[2,2] y) { y = ai.onnx.ml.Scaler<offset = [1.0, "
                     "2.0], scale = [10.0, 0.5]>(x) }",
                     {x}),
              testing::ElementsAre(0, 0, 20, 1));
  EXPECT_THAT(result("g (float[2,2] x) => (float[2,2] y) { y = ai.onnx.ml.Scaler<offset = [1.0], "
                     "scale = [2.0]>(x) }",
                     {x}),
              testing::ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(refusal("g (float[2,2] x) => (float[2,2] y) { y = ai.onnx.ml.Scaler<offset = [1.0, "
                      "2.0, 3.0]>(x) }"),
              HasSubstr("its offset has 3 numbers for f32[2, 2]"));
}

TEST(Tabular, NormalizerLeavesRowsOfZeros) {
  const auto x = floats({2, 2}, {3, -4, 0, 0});
  const auto of = [&](const std::string& norm) {
    return result("g (float[2,2] x) => (float[2,2] y) { y = ai.onnx.ml.Normalizer<norm = \"" +
                      norm + "\">(x) }",
                  {x});
  };
  EXPECT_THAT(of("L2"), testing::Pointwise(testing::FloatEq(), {0.6, -0.8, 0.0, 0.0}));
  EXPECT_THAT(of("L1"), testing::Pointwise(testing::FloatEq(), {3.0 / 7, -4.0 / 7, 0.0, 0.0}));
  EXPECT_THAT(of("MAX"), testing::Pointwise(testing::FloatEq(), {0.75, -1.0, 0.0, 0.0}));
}

TEST(Tabular, BinarizerImputerAndColumns) {
  const auto x = floats({1, 3}, {-1, 0.5, 2});
  EXPECT_THAT(result("g (float[1,3] x) => (float[1,3] y) { y = ai.onnx.ml.Binarizer<threshold = "
                     "0.5>(x) }",
                     {x}),
              testing::ElementsAre(0, 0, 1));
  EXPECT_THAT(result("g (float[1,3] x) => (float[1,3] y) { y = ai.onnx.ml.Imputer<imputed_value_"
                     "floats = [7.0, 8.0, 9.0], replaced_value_float = 2.0>(x) }",
                     {x}),
              testing::ElementsAre(-1, 0.5, 9));
  EXPECT_THAT(result("g (float[1,3] x) => (float[1,2] y) <int64[1,2] i = {2, 0}> { y = "
                     "ai.onnx.ml.ArrayFeatureExtractor(x, i) }",
                     {x}),
              testing::ElementsAre(2, -1));
  EXPECT_THAT(result("g (float[1,3] x) => (float[1,6] y) { y = ai.onnx.ml.FeatureVectorizer<"
                     "inputdimensions = [2, 4]>(x, x) }",
                     {x}),
              testing::ElementsAre(-1, 0.5, -1, 0.5, 2, 0));
}

}  // namespace
}  // namespace headrace
