#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string body_refusal(const std::string& body, int opset = 18) {
  try {
    load_text(body, opset);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// h <- w h in each pass; every h is stacked.
std::string powers(const std::string& trips, const std::string& goes_on) {
  return "g (float[2] x) => (float[2] y, float[N,2] all) <int64 m = {" + trips +
         "}, bool go = {1}> { y, all = Loop(m, go, x) <body = step (int64 i, bool c, float[2] h) "
         "=> "
         "(bool d, float[2] k, float[2] s) <float[2] w = {2, 3}, int64 last = {1}> { d = " +
         goes_on + " k = Mul(h, w) s = Identity(k) }> }";
}

TEST(ControlFlow, LoopsAreWrittenOutAndTheirWeightsStayOne) {
  const Model model = load_text(powers("3", "Identity(c)"));
  EXPECT_THAT(weight_names(model), ElementsAre("w"));
  const auto outputs = run(model, {floats({2}, {1, 1})});
  EXPECT_THAT(outputs[0], ElementsAre(8, 27));
  EXPECT_THAT(outputs[1], ElementsAre(2, 3, 4, 9, 8, 27));
  EXPECT_THAT(model.notes, testing::Contains(HasSubstr("Loop 'y' is written out: 3 passes")));
}

TEST(ControlFlow, LoopsEndWhenTheirConditionDoes) {
  const auto outputs = run(load_text(powers("9", "Less(i, last)")), {floats({2}, {1, 1})});
  EXPECT_THAT(outputs[0], ElementsAre(4, 9));
  EXPECT_THAT(outputs[1], ElementsAre(2, 3, 4, 9));
}

TEST(ControlFlow, LoopsWithoutAPassGiveWhatWentIn) {
  const auto outputs = run(load_text(powers("0", "Identity(c)")), {floats({2}, {5, 6})});
  EXPECT_THAT(outputs[0], ElementsAre(5, 6));
  EXPECT_TRUE(outputs[1].empty());
}

TEST(ControlFlow, WhatDataDecideIsRefused) {
  EXPECT_THAT(body_refusal(R"(g (float[2] x, int64 m) => (float[2] y) <bool go = {1}>
{ y = Loop(m, go, x) <body = step (int64 i, bool c, float[2] h) => (bool d, float[2] k)
  { d = Identity(c) k = Neg(h) }> })"),
              HasSubstr("its trip count (input 0, 'm') is computed from data"));
  EXPECT_THAT(body_refusal(R"(g (float[1] x) => (float[1] y) <int64 m = {4}, bool go = {1}>
{ y = Loop(m, go, x) <body = step (int64 i, bool c, float[1] h) => (bool d, float[1] k)
  { d = Less(h, x) k = Neg(h) }> })"),
              HasSubstr("the condition of its next pass is computed from data"));
}

TEST(ControlFlow, ATripCountThatAsksForTheMemoryOfTheMachineIsRefused) {
  EXPECT_THAT(body_refusal(powers("9000000000000", "Identity(c)")),
              HasSubstr("more than 100000 nodes"));
}

TEST(ControlFlow, ANodeThatIsRefusedInABodyIsNamedOnce) {
  EXPECT_THAT(body_refusal(R"(g (float[2] x) => (float[2] y) <int64 m = {4}, bool go = {1}>
{ y = Loop(m, go, x) <body = step (int64 i, bool c, float[2] h) => (bool d, float[2] k)
  { d = Identity(c) k = StringConcat(h, h) }> })",
                           20),
              HasSubstr("1 of its nodes"));
}

TEST(ControlFlow, IfInsideALoopFollowsThePass) {
  const Model model = load_text(R"(g (float[2] x) => (float[2] y)
<int64 m = {3}, bool go = {1}, int64 one = {1}>
{ y = Loop(m, go, x) <body = step (int64 i, bool c, float[2] h) => (bool d, float[2] k)
  { d = Identity(c) is = Equal(i, one)
    k = If(is) <then_branch = p () => (float[2] a) { a = Neg(h) },
                else_branch = q () => (float[2] b) { b = Add(h, x) }> }> })");
  EXPECT_THAT(operators(model), ElementsAre("Add", "Neg", "Add"));
  EXPECT_THAT(run(model, {floats({2}, {1, 2})})[0], ElementsAre(-1, -2));
}

// Running sums of the slices of x, whose axis and direction and that of the result vary.
std::vector<std::vector<double>> scan(const std::string& attributes, const HostTensor& x,
                                      const std::string& slice, const std::string& type) {
  const std::string body = "g (float[" + type + "] x, float[" + slice + "] h) => (float[" + slice +
                           "] last, float[" + type + "] sums) { last, sums = Scan(h, x) <" +
                           attributes + ", num_scan_inputs = 1, body = step (float[" + slice +
                           "] s, float[" + slice + "] v) => (float[" + slice + "] t, float[" +
                           slice + "] o) { t = Add(s, v) o = Identity(t) }> }";
  const auto dims = std::stoll(slice);
  return run(load_text(body), {x, floats({dims}, std::vector<float>(static_cast<size_t>(dims)))});
}

TEST(ControlFlow, ScansGoAlongAnyAxisInBothDirections) {
  const HostTensor x = counting({2, 3});  // 0 1 2 / 3 4 5
  auto outputs = scan("scan_input_directions = [0]", x, "3", "2,3");
  EXPECT_THAT(outputs[0], ElementsAre(3, 5, 7));
  EXPECT_THAT(outputs[1], ElementsAre(0, 1, 2, 3, 5, 7));
  outputs = scan("scan_input_directions = [1]", x, "3", "2,3");
  EXPECT_THAT(outputs[1], ElementsAre(3, 4, 5, 3, 5, 7));
  outputs = scan("scan_input_directions = [1], scan_output_directions = [1]", x, "3", "2,3");
  EXPECT_THAT(outputs[1], ElementsAre(3, 5, 7, 3, 4, 5));
  outputs = scan("scan_input_axes = [1], scan_output_axes = [-1]", x, "2", "2,3");
  EXPECT_THAT(outputs[0], ElementsAre(3, 12));
  EXPECT_THAT(outputs[1], ElementsAre(0, 1, 3, 3, 7, 12));
}

TEST(ControlFlow, ScansBeforeOpset9GoOverTheBatch) {
  const Model model = load_text(R"(g (float[2,3] x, float[2] h) => (float[2] last, float[2,3] sums)
{ last, sums = Scan(, h, x) <num_scan_inputs = 1, body = step (float s, float v) => (float t, float o)
  { t = Add(s, v) o = Identity(t) }> })",
                                8);
  const auto outputs = run(model, {counting({2, 3}), floats({2}, {0, 10})});
  EXPECT_THAT(outputs[0], ElementsAre(3, 22));
  EXPECT_THAT(outputs[1], ElementsAre(0, 1, 3, 13, 17, 22));
}

}  // namespace
}  // namespace headrace
