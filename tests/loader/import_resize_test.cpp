#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;

std::vector<double> row_of_four(const std::string& node, int opset) {
  const std::string body =
      "g (float[4] x) => (float[n] y) <float[1] shrink = {0.6}, float[1] twice = {2}, "
      "float[1] tenth = {0.1}, int64[1] three = {3}, float[2] region = {0.5, 1.5}> { y = " +
      node + " }";
  return run(load_text(body, opset), {floats({4}, {1, 2, 3, 4})}).at(0);
}

TEST(Resize, FormsBeforeOpset11StartFromTheCorner) {
  EXPECT_THAT(row_of_four("Upsample<scales = [2.0]>(x)", 7), ElementsAre(1, 1, 2, 2, 3, 3, 4, 4));
  EXPECT_THAT(row_of_four(R"(Upsample<mode = "linear">(x, twice))", 9),
              ElementsAre(1, 1.5, 2, 2.5, 3, 3.5, 4, 4));
  // The cell after the position where the image shrinks: 1 / 0.6 is nearest to cell 2.
  EXPECT_THAT(row_of_four("Resize(x, shrink)", 10), ElementsAre(1, 3));
}

TEST(Resize, ScalesAndSizes) {
  EXPECT_THAT(row_of_four(R"(Resize<mode = "linear">(x, , twice))", 13),
              ElementsAre(1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4));
  EXPECT_THAT(
      row_of_four(
          R"(Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(x, , , three))",
          13),
      ElementsAre(1, 2.5, 4));
  EXPECT_THAT(row_of_four(R"(Resize<mode = "linear", coordinate_transformation_mode =
                             "tf_crop_and_resize", extrapolation_value = 9.0>(x, region, , three))",
                          13),
              ElementsAre(2.5, 4, 9));
}

TEST(Resize, IntegersArePickedNotWeighed) {
  const auto pixels = [](const char* mode) {
    return load_text(std::string("g (uint8[2] x) => (uint8[4] y) <float[1] s = {2}> { y = "
                                 "Resize<mode = \"") +
                     mode + "\">(x, , s) }");
  };
  const std::vector<uint8_t> x = {7, 200};
  EXPECT_THAT(run(pixels("nearest"), {make_host_tensor<uint8_t>({2}, x)}).at(0),
              ElementsAre(7, 7, 200, 200));
  EXPECT_THROW(pixels("linear"), Error);
}

TEST(Resize, RefusesWhatLeavesNothingOrTooMuch) {
  EXPECT_THROW(row_of_four("Resize(x, , tenth)", 13), Error);
  EXPECT_THROW(row_of_four("Upsample<scales = [1e30]>(x)", 7), Error);
  EXPECT_THROW(row_of_four("Upsample<scales = [-1.0]>(x)", 7), Error);
  EXPECT_THROW(row_of_four(R"(Resize<mode = "area">(x, , twice))", 13), Error);
}

}  // namespace
}  // namespace headrace
