#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kFree = "g (float[N,T] x, float[N,T] m) => (float[N,T] y) { y = Mul(x, m) }";

LoadOptions with(std::optional<int64_t> batch, std::map<std::string, int64_t> bind = {}) {
  LoadOptions options = folding();
  options.batch = batch;
  options.bind = std::move(bind);
  return options;
}

std::string dimension_refusal(const std::string& body, const LoadOptions& options) {
  return message_of<Error>([&] { load_text(body, 18, options); });
}

Shape output_shape(const Model& model) {
  return model.forward.graph.value(model.forward.graph.outputs.at(0)).type.shape;
}

TEST(Dimensions, BatchTakesTheFirstLeadingSymbolEverywhere) {
  const Model model = load_text(kFree, 18, with(8, {{"T", 5}}));
  EXPECT_EQ(output_shape(model), (Shape{8, 5}));
  EXPECT_EQ(model.batch_dimension, "N");
}

TEST(Dimensions, AreBoundByNameOrByPlace) {
  EXPECT_EQ(output_shape(load_text(kFree, 18, with({}, {{"N", 2}, {"T", 3}}))), (Shape{2, 3}));
  EXPECT_EQ(output_shape(load_text("g (float[?,3] x) => (float[M,3] y) { y = Relu(x) }", 18,
                                   with({}, {{"x:0", 4}}))),
            (Shape{4, 3}));
}

TEST(Dimensions, UnnamedLeadingOnesAreOneBatch) {
  const Model model =
      load_text("g (float[?,3] a, float[?,3] b) => (float[M,3] y) { y = Add(a, b) }", 18, with(6));
  EXPECT_EQ(output_shape(model), (Shape{6, 3}));
}

TEST(Dimensions, WhatIsLeftFreeNamesTheOptions) {
  EXPECT_THAT(dimension_refusal(kFree, with({})),
              AllOf(HasSubstr("--bind N=N"), HasSubstr("--bind T=N"), HasSubstr("--batch")));
  EXPECT_THAT(dimension_refusal(kFree, with(4)), HasSubstr("--bind T=N"));
}

TEST(Dimensions, OptionsThatDoNotFit) {
  EXPECT_THAT(dimension_refusal(kFree, with(4, {{"T", 2}, {"Tt", 2}})),
              HasSubstr("did you mean 'T'?"));
  EXPECT_THAT(dimension_refusal(kFree, with(4, {{"T", 0}})), HasSubstr("at least 1"));
  EXPECT_THAT(dimension_refusal(kFree, with(4, {{"T", 2}, {"N", 3}})), HasSubstr("is bound to 3"));
  const std::string fixed = "g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }";
  EXPECT_THAT(dimension_refusal(fixed, with(4)),
              AllOf(HasSubstr("the model's batch is fixed: input 'x' has 2 rows"),
                    HasSubstr("--batch / --microbatches is 2")));
  EXPECT_EQ(dimension_refusal(fixed, with(2)), "");
  EXPECT_THAT(dimension_refusal(fixed, with({}, {{"x:1", 4}})),
              HasSubstr("dimension x:1 of the model is 3"));
  EXPECT_THAT(dimension_refusal(fixed, with({}, {{"N", 4}})), HasSubstr("no free dimension"));
}

TEST(Dimensions, ShapeArithmeticIsConstantOnceBound) {
  const Model model =
      load_text(R"(g (float[N,4] x) => (float[M,2] y) <int64[1] two = {2}, int64[1] zero = {0}>
{ s = Shape(x) n = Gather(s, zero) m = Mul(n, two) t = Concat<axis=0>(m, two) y = Reshape(x, t) })",
                18, with(3));
  EXPECT_THAT(operators(model), testing::ElementsAre("Reshape"));
  EXPECT_EQ(output_shape(model), (Shape{6, 2}));
}

}  // namespace
}  // namespace headrace
