#include <gmock/gmock.h>

#include <cmath>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

// One unit, one row, two steps, in the given direction.
std::string unit_rnn(const std::string& attributes, const std::string& inputs = "x, w, r, b") {
  return "g (float[2,1,1] x) => (float[2,D,1,1] y, float[D,1,1] h) <float[1,1,1] w = {1}, "
         "float[1,1,1] r = {0.5}, float[1,2] b = {0.25, 0.25}, int32[1] one = {1}, "
         "float[1,1,1] start = {2}> { y, h = RNN<hidden_size = 1" +
         attributes + ">(" + inputs + ") }";
}

TEST(Recurrent, TheProductWithTheInputsStandsBeforeTheRecurrence) {
  const Model model = load_text(unit_rnn(""));
  EXPECT_THAT(operators(model), testing::AllOf(Contains("MatMul"), Contains("RnnSequence")));
  EXPECT_THAT(weight_names(model), ElementsAre("w", "r", "b"));
  const auto outputs = run(model, {floats({2, 1, 1}, {1, -2})});
  const double first = std::tanh(1.5), second = std::tanh(-2 + 0.5 + 0.5 * first);
  EXPECT_THAT(outputs[0], ElementsAre(DoubleNear(first, 1e-6), DoubleNear(second, 1e-6)));
  EXPECT_THAT(outputs[1], ElementsAre(DoubleNear(second, 1e-6)));
}

TEST(Recurrent, ReverseStartsAtTheLastStepOfEachRow) {
  auto outputs =
      run(load_text(unit_rnn(", direction = \"reverse\"")), {floats({2, 1, 1}, {1, -2})});
  const double last = std::tanh(-1.5), first = std::tanh(1 + 0.5 + 0.5 * last);
  EXPECT_THAT(outputs[0], ElementsAre(DoubleNear(first, 1e-6), DoubleNear(last, 1e-6)));
  EXPECT_THAT(outputs[1], ElementsAre(DoubleNear(first, 1e-6)));
  outputs = run(load_text(unit_rnn(", direction = \"reverse\"", "x, w, r, b, one, start")),
                {floats({2, 1, 1}, {1, -2})});
  const double only = std::tanh(1 + 0.5 + 0.5 * 2);
  EXPECT_THAT(outputs[0], ElementsAre(DoubleNear(only, 1e-6), 0));
  EXPECT_THAT(outputs[1], ElementsAre(DoubleNear(only, 1e-6)));
}

TEST(Recurrent, ActivationsTakeTheirConstantsInOrder) {
  const auto outputs =
      run(load_text(unit_rnn(", activations = [\"Affine\"], activation_alpha = [2.0], "
                             "activation_beta = [0.5]")),
          {floats({2, 1, 1}, {1, 0})});
  EXPECT_THAT(outputs[0], ElementsAre(3.5, 2 * (0.5 + 0.5 * 3.5) + 0.5));
}

TEST(Recurrent, LengthsOfTheWholeSequenceDropOut) {
  const std::string body =
      "g (float[1,1,1] x) => (float[1,1,1,1] y) <float[1,4,1] w = {1,1,1,1}, float[1,4,1] r = "
      "{1,1,1,1}, int32[1] one = {1}> { y = LSTM<hidden_size = 1>(x, w, r, , one) }";
  const Model model = load_text(body);
  for (const Node& node : model.forward.graph.nodes())
    if (node.op == "LstmSequence") {
      EXPECT_EQ(node.inputs.back(), kNoValue);
    }
}

TEST(Recurrent, FormsThatDoNotFitAreRefused) {
  const auto refusal = [](const std::string& body) -> std::string {
    try {
      load_text(body);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal(unit_rnn(", direction = \"bidirectional\"")), HasSubstr("in 2 directions"));
  EXPECT_THAT(refusal(unit_rnn(", activations = [\"Cosine\"]")),
              HasSubstr("the activation 'Cosine'"));
}

}  // namespace
}  // namespace headrace
