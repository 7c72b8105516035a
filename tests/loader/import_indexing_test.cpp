#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;

TEST(Indexing, OldForms) {
  const Model top =
      load_text("g (float[4] x) => (float[2] v, int64[2] i) { v, i = TopK<k = 2>(x) }", 9);
  const auto outputs = run(top, {floats({4}, {3, 9, 9, 1})});
  EXPECT_THAT(outputs[0], ElementsAre(9, 9));
  EXPECT_THAT(outputs[1], ElementsAre(1, 2));
  const Model scatter = load_text(R"(g (float[3] x, float[1] u) => (float[3] y)
<int64[1] i = {-1}> { y = Scatter(x, i, u) })",
                                  9);
  EXPECT_THAT(run(scatter, {floats({3}, {1, 2, 3}), floats({1}, {7})})[0], ElementsAre(1, 2, 7));
  // Dimensions from the axis on are one line.
  const Model hardmax = load_text("g (float[1,2,2] x) => (float[1,2,2] y) { y = Hardmax(x) }", 11);
  EXPECT_THAT(run(hardmax, {floats({1, 2, 2}, {1, 5, 9, 2})})[0], ElementsAre(0, 0, 1, 0));
}

TEST(Indexing, ArgMaxTakesTheFirstOrTheLastOfEquals) {
  const Model model = load_text(R"(g (float[4] x) => (int64[1] a, int64 b, int64[1] c)
{ a = ArgMax(x) b = ArgMax<select_last_index = 1, keepdims = 0>(x) c = ArgMin(x) })");
  const auto outputs = run(model, {floats({4}, {3, 9, 9, 1})});
  EXPECT_THAT(outputs[0], ElementsAre(1));
  EXPECT_THAT(outputs[1], ElementsAre(2));
  EXPECT_THAT(outputs[2], ElementsAre(3));
}

TEST(Indexing, OneHotOfIndicesThatLeaveTheRange) {
  const Model model = load_text(R"(g (int64[4] i) => (float[4,3] y)
<int64 depth = {3}, float[2] values = {-1, 5}> { y = OneHot(i, depth, values) })");
  const std::vector<int64_t> indices = {0, -1, 3, -4};
  EXPECT_THAT(run(model, {make_host_tensor<int64_t>({4}, indices)})[0],
              ElementsAre(5, -1, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1));
  EXPECT_TRUE(model.weights.empty());
}

TEST(Indexing, OutsideOfTheAxisSaysWhere) {
  const Model model =
      load_text("g (float[3] x, int64[1] i) => (float[1] y) { y = GatherElements(x, i) }");
  const std::vector<int64_t> index = {3};
  EXPECT_THROW(run(model, {floats({3}, {1, 2, 3}), make_host_tensor<int64_t>({1}, index)}), Error);
}

TEST(Indexing, BoundsThatTheRunComputesClipAsWell) {
  const Model model = load_text(
      "g (float[3] x, float low) => (float[3] y) <float high = {2}> { y = Clip(x, low, high) }");
  EXPECT_THAT(run(model, {floats({3}, {-1, 1, 3}), floats({}, {0.5F})})[0], ElementsAre(0.5, 1, 2));
}

}  // namespace
}  // namespace headrace
