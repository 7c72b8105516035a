#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

onnx::GraphProto parse_graph(const std::string& text) {
  onnx::GraphProto graph;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(graph);
  if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
  return graph;
}

// y = x w with the given algorithm; `bindings`: tensor, replacement.
onnx::ModelProto with_step(const std::string& algorithm,
                           const std::vector<std::pair<std::string, std::string>>& bindings) {
  onnx::ModelProto model = parse_onnx(
      "net (float[2,3] x) => (float[2,1] y) <float[3,1] w = {1,2,3}> { y = MatMul(x, w) }");
  auto& domain = *model.add_opset_import();
  domain.set_domain("ai.onnx.preview.training");
  domain.set_version(1);
  auto& info = *model.add_training_info();
  *info.mutable_algorithm() = parse_graph(algorithm);
  for (const auto& [tensor, replacement] : bindings) {
    auto& binding = *info.add_update_binding();
    binding.set_key(tensor);
    binding.set_value(replacement);
  }
  return model;
}

LoadOptions own_step() {
  LoadOptions options = folding();
  options.training_step = true;
  return options;
}

std::string step_refusal(const std::string& algorithm,
                         const std::vector<std::pair<std::string, std::string>>& bindings = {}) {
  return message_of<Error>([&] { load_onnx(with_step(algorithm, bindings), own_step()); });
}

const std::string kLoss = "  l = ReduceMean<keepdims = 0>(y)\n";
const std::string kGradient =
    "  g = ai.onnx.preview.training.Gradient<xs = [\"w\"], zs = [\"x\"], y = \"l\">(w, x)\n";

TEST(TrainingStep, IsCutAtItsGradient) {
  const Model model =
      load_onnx(with_step("step () => (float l, float[3,1] n) <float r = {0.5}> {\n" + kLoss +
                              kGradient + "  s = Mul(r, g)\n  n = Sub(w, s)\n}",
                          {{"w", "n"}}),
                own_step());
  EXPECT_THAT(operators(model), ElementsAre("MatMul", "ReduceMean"));
  EXPECT_THAT(weight_names(model), ElementsAre("w"));
  ASSERT_TRUE(model.update);
  ASSERT_EQ(model.update->kept.size(), 1U);
  const Graph& graph = model.update->graph;
  const auto after =
      evaluate_graph(graph,
                     {{model.update->gradients.at(0).value, floats({3, 1}, {2, 4, 6})},
                      {model.update->kept[0].before, floats({3, 1}, {1, 1, 1})}},
                     std::vector<ValueId>{model.update->kept[0].after});
  EXPECT_THAT(to_doubles(after.at(0)), ElementsAre(0, -1, -2));
}

TEST(TrainingStep, IsOnlyTakenWhenAskedFor) {
  const Model model = load_onnx(with_step("step () => () {}", {}));
  EXPECT_THAT(operators(model), ElementsAre("MatMul"));
  EXPECT_FALSE(model.update);
}

TEST(TrainingStep, RefusesOtherForms) {
  EXPECT_THAT(step_refusal("step () => (float l) {\n" + kLoss + "}"),
              HasSubstr("the training algorithm has no Gradient node"));
  EXPECT_THAT(
      step_refusal("step () => (float l) {\n" + kLoss +
                   "  g = ai.onnx.preview.training.Gradient<xs = [\"x\"], y = \"l\">(x)\n}"),
      HasSubstr("is taken by 'x', which is no initializer"));
  EXPECT_THAT(step_refusal("step () => (float l) {\n" + kLoss + kGradient + "}", {{"x", "g"}}),
              HasSubstr("the update replaces 'x', which is no initializer"));
  EXPECT_THAT(
      step_refusal("step () => (float[3,1] n) {\n" + kLoss + kGradient +
                       "  s = ReduceSum<keepdims = 0>(x)\n  p = Mul(s, g)\n  n = Sub(w, p)\n}",
                   {{"w", "n"}}),
      HasSubstr("the training algorithm's update reads the input 'x'"));
  EXPECT_THAT(step_refusal("step () => (float[1] n) {\n" + kLoss + kGradient +
                               "  n = ReduceSum<keepdims = 0>(g)\n}",
                           {{"w", "n"}}),
              HasSubstr("the update of 'w', which is f32[3, 1], makes f32[]"));
}

TEST(TrainingStep, DrawsRandomNumbersOnceInItsInitialization) {
  const auto contents = [](int64_t count) {
    auto model = with_step("step () => (float l) {\n" + kLoss + kGradient + "}", {{"w", "g"}});
    auto& info = *model.mutable_training_info(0);
    *info.mutable_initialization() = parse_graph(
        "start () => (float[3,1] r) { r = RandomNormal<seed = 1.0, mean = 5.0, scale = "
        "0.1, shape = [3, " +
        std::to_string(count) + "]>() }");
    auto& binding = *info.add_initialization_binding();
    binding.set_key("w");
    binding.set_value("r");
    const Model loaded = load_onnx(model, own_step());
    return to_doubles(loaded.forward.graph.value(loaded.weights.at(0).value).data);
  };
  const auto drawn = contents(1);
  EXPECT_EQ(drawn, contents(1));
  EXPECT_THAT(drawn, testing::Each(testing::DoubleNear(5, 0.6)));
  EXPECT_NE(drawn[0], drawn[1]);
}

}  // namespace
}  // namespace headrace
