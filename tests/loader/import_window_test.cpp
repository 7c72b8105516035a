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

}  // namespace
}  // namespace headrace
