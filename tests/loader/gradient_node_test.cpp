#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A model that also imports ai.onnx.preview.training, as it is run.
Model load_with_gradients(const std::string& body) {
  onnx::ModelProto model;
  const std::string text =
      "<ir_version: 8, opset_import: [\"\" : 18, \"ai.onnx.preview.training\" : 1]>\n" + body;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(model);
  if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
  LoadOptions options = folding();
  options.training = false;
  return load_onnx(model, options);
}

TEST(GradientNode, IsOfTheSumAndMayBeTakenAgain) {
  const Model model = load_with_gradients(
      "g (float[2] x, float[2] z) => (float[2] first, float[2] second) {\n"
      "  s = Mul(x, x)\n  c = Mul(s, x)\n  y = Mul(c, z)\n"
      "  first = ai.onnx.preview.training.Gradient<xs = [\"x\"], zs = [\"z\"], y = \"y\">(x, z)\n"
      "  second = ai.onnx.preview.training.Gradient<xs = [\"x\"], y = \"first\">(x)\n}");
  const auto outputs = run(model, {floats({2}, {1, 2}), floats({2}, {1, 10})});
  EXPECT_THAT(outputs.at(0), ElementsAre(3, 120));
  EXPECT_THAT(outputs.at(1), ElementsAre(6, 120));
}

TEST(GradientNode, TakesValuesInBetweenAsIndependent) {
  const Model model = load_with_gradients(
      "g (float[2] x) => (float[2] dh, float[2] dx) {\n"
      "  h = Mul(x, x)\n  y = Mul(h, x)\n"
      "  dh, dx = ai.onnx.preview.training.Gradient<xs = [\"h\", \"x\"], y = \"y\">(h, x)\n}");
  const auto outputs = run(model, {floats({2}, {2, 3})});
  EXPECT_THAT(outputs.at(0), ElementsAre(2, 3));
  EXPECT_THAT(outputs.at(1), ElementsAre(4, 9));
}

TEST(GradientNode, IsZeroWhereNothingLeadsToY) {
  const Model model = load_with_gradients(
      "g (float[2] x, float[2] z) => (float[2] dz) {\n  y = Neg(x)\n"
      "  dz = ai.onnx.preview.training.Gradient<xs = [\"z\"], y = \"y\">(z)\n}");
  EXPECT_THAT(run(model, {floats({2}, {2, 3}), floats({2}, {1, 1})}).at(0), ElementsAre(0, 0));
}

TEST(GradientNode, RefusesOtherValuesThanTheGraphs) {
  EXPECT_THAT(message_of<Error>([] {
                load_with_gradients(
                    "g (float[2] x, float[2] other) => (float[2] dx) {\n  y = Mul(x, x)\n"
                    "  [grad] dx = ai.onnx.preview.training.Gradient<xs = [\"x\"], y = "
                    "\"y\">(other)\n}");
              }),
              HasSubstr("Gradient 'grad': a gradient by 'x' at another tensor's value"));
}

}  // namespace
}  // namespace headrace
