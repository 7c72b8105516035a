#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;

// y of an operator's text form over x and w.
std::vector<double> transposed(const std::string& attributes, const std::string& more_inputs = "") {
  const std::string body =
      "g (float[1,1,2] x) => (float[1,1,n] y) <float[1,1,2] w = {1,10}, float[1] b = {5}> "
      "{ y = ConvTranspose<" +
      attributes + ">(x, w" + more_inputs + ") }";
  return run(load_text(body), {floats({1, 1, 2}, {1, 2})}).at(0);
}

TEST(ConvTranspose, PadsAndSizes) {
  EXPECT_THAT(transposed("strides = [2]"), ElementsAre(1, 10, 2, 20));
  EXPECT_THAT(transposed("strides = [2], pads = [1,0]"), ElementsAre(10, 2, 20));
  EXPECT_THAT(transposed("strides = [3], output_padding = [1]"), ElementsAre(1, 10, 0, 2, 20, 0));
  // The odd cell is cut at the beginning but for SAME_UPPER.
  EXPECT_THAT(transposed("strides = [2], output_shape = [3]"), ElementsAre(10, 2, 20));
  EXPECT_THAT(transposed(R"(strides = [2], output_shape = [3], auto_pad = "SAME_UPPER")"),
              ElementsAre(1, 10, 2));
  EXPECT_THAT(transposed(R"(auto_pad = "SAME_UPPER")"), ElementsAre(1, 12));
  EXPECT_THAT(transposed(R"(auto_pad = "SAME_LOWER")"), ElementsAre(12, 20));
}

TEST(ConvTranspose, CellsThatNoKernelReachesHoldTheBias) {
  EXPECT_THAT(transposed("dilations = [2], output_padding = [1]"), ElementsAre(1, 2, 10, 20, 0));
  EXPECT_THAT(transposed("dilations = [2], output_padding = [1]", ", b"),
              ElementsAre(6, 7, 15, 25, 5));
  EXPECT_THAT(transposed("strides = [2], output_shape = [6]", ", b"),
              ElementsAre(6, 15, 7, 25, 5, 5));
}

TEST(ConvTranspose, RefusesWhatHasNoOutput) {
  EXPECT_THROW(transposed("pads = [2,2]"), Error);
  EXPECT_THROW(transposed("output_padding = [-1]"), Error);
  EXPECT_THROW(transposed("group = 2"), Error);
}

TEST(Pooling, PlacesOfMaximaGoBackIntoAnImage) {
  const Model model = load_text(R"(g (float[1,2,2,4] x) => (float[1,2,2,4] y, int64[1,2,1,2] place)
{ top, place = MaxPool<kernel_shape = [2,2], strides = [2,2]>(x)
  y = MaxUnpool<kernel_shape = [2,2], strides = [2,2]>(top, place) })");
  const auto outputs =
      run(model, {floats({1, 2, 2, 4}, {9, 1, 2, 3, 4, 5, 8, 6, 1, 2, 3, 4, 5, 6, 7, 8})});
  EXPECT_THAT(outputs.at(1), ElementsAre(0, 6, 13, 15));
  EXPECT_THAT(outputs.at(0), ElementsAre(9, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 6, 0, 8));
}

TEST(Pooling, AutoPadLeavesNothingToCeilMode) {
  const Model model = load_text(R"(g (float[1,1,5] x) => (float[1,1,2] y)
{ y = AveragePool<kernel_shape = [2], strides = [2], auto_pad = "VALID", ceil_mode = 1>(x) })");
  EXPECT_THAT(run(model, {counting({1, 1, 5})}).at(0), ElementsAre(0.5, 2.5));
}

TEST(Pooling, NormsOverWindowsBeyondThePadding) {
  const Model model = load_text(R"(g (float[1,1,3] x) => (float[1,1,2] y)
{ y = LpPool<kernel_shape = [2], strides = [2], ceil_mode = 1, p = 1>(x) })");
  EXPECT_THAT(run(model, {floats({1, 1, 3}, {1, -2, 4})}).at(0), ElementsAre(3, 4));
}

TEST(Regions, MaximaOfBinsAndNothingWhereThereIsNone) {
  const Model model = load_text(R"(g (float[1,1,2,3] x, float[2,5] rois) => (float[2,1,1,2] y)
{ y = MaxRoiPool<pooled_shape = [1,2]>(x, rois) })");
  EXPECT_THAT(
      run(model, {counting({1, 1, 2, 3}), floats({2, 5}, {0, 0, 0, 2, 1, 0, 7, 7, 9, 9})}).at(0),
      ElementsAre(4, 5, 0, 0));
}

TEST(Regions, OfAnImageThatIsNotThereAreRefused) {
  const Model model = load_text(R"(g (float[1,1,2,3] x, float[1,4] rois, int64[1] image) =>
(float[1,1,1,1] y) { y = RoiAlign(x, rois, image) })");
  const std::vector<int64_t> second = {1};
  EXPECT_THROW(run(model, {counting({1, 1, 2, 3}), floats({1, 4}, {0, 0, 1, 1}),
                           make_host_tensor<int64_t>({1}, second)}),
               Error);
}

TEST(DeformConv, WithoutOffsetsIsAConvolution) {
  const std::string head =
      "g (float[1,2,3,3] x, float[1,8,2,2] offset) => (float[1,2,2,2] y) <float[2,2,2,2] w = "
      "{1,2,3,4,5,6,7,8,-1,2,-3,4,-5,6,-7,8}, float[2] b = {1,-1}> { y = ";
  const std::vector<HostTensor> inputs = {counting({1, 2, 3, 3}),
                                          floats({1, 8, 2, 2}, std::vector<float>(32, 0))};
  EXPECT_EQ(run(load_text(head + "DeformConv(x, w, offset, b) }", 19), inputs),
            run(load_text(head + "Conv(x, w, b) }", 19), inputs));
}

TEST(Normalization, TheNormOfZerosDividesNothing) {
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,2] y) { y = LpNormalization(x) })");
  EXPECT_THAT(run(model, {floats({2, 2}, {0, 0, 3, 4})}).at(0),
              ElementsAre(0, 0, testing::DoubleNear(0.6, 1e-7), testing::DoubleNear(0.8, 1e-7)));
}

}  // namespace
}  // namespace headrace
