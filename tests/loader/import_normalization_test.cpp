#include <gmock/gmock.h>

#include <cmath>

#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;
using testing::UnorderedElementsAre;

// (x - mean) / sqrt(variance + 1e-5) of 0, 1, .. over runs of `length`, then channels of
// `per_channel` elements scaled by 1, 2, .. and shifted by 1.
std::vector<double> expected(size_t count, size_t length, size_t channels, size_t per_channel) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    const size_t first = i / length * length;
    const double mean = static_cast<double>(first) + (static_cast<double>(length) - 1) / 2;
    const auto n = static_cast<double>(length);
    const double variance = (n * n - 1) / 12;  // of consecutive numbers
    const auto channel = static_cast<double>(i / per_channel % channels);
    values.push_back((static_cast<double>(i) - mean) / std::sqrt(variance + 1e-5) * (channel + 1) +
                     1);
  }
  return values;
}

TEST(Normalization, InstanceNormalizationIsOneFusedOperator) {
  const Model model = load_text(R"(g (float[2,3,2,2] x) => (float[2,3,2,2] y)
<float[3] scale = {1, 2, 3}, float[3] bias = {1, 1, 1}> { y = InstanceNormalization(x, scale, bias) })");
  EXPECT_THAT(operators(model), Contains("LayerNormalization"));
  EXPECT_THAT(run(model, {counting({2, 3, 2, 2})})[0],
              Pointwise(DoubleNear(1e-5), expected(24, 4, 3, 4)));
}

TEST(Normalization, GroupNormalizationIsOneFusedOperator) {
  const Model model = load_text(R"(g (float[2,4,3] x) => (float[2,4,3] y)
<float[4] scale = {1, 2, 3, 4}, float[4] bias = {1, 1, 1, 1}>
{ y = GroupNormalization<num_groups = 2>(x, scale, bias) })",
                                21);
  EXPECT_THAT(operators(model), Contains("LayerNormalization"));
  EXPECT_THAT(run(model, {counting({2, 4, 3})})[0],
              Pointwise(DoubleNear(1e-5), expected(24, 6, 4, 3)));
}

// torch.nn.GroupNorm as PyTorch's exporters write it: an instance normalisation of the groups whose
// scale of ones and bias of zeros no author knows of.
std::string group_norm(const std::string& ones, const std::string& ones_name) {
  return R"(g (float[2,4,3] x) => (float[2,4,3] y)
<float[2] )" +
         ones_name + " = {" + ones + R"(}, float[2] const_2 = {0, 0}, int64[3] groups = {0, 2, -1},
 float[4,1] scale = {1, 2, 3, 4}, float[4,1] bias = {1, 1, 1, 1}>
{ grouped = Reshape(x, groups) normal = InstanceNormalization(grouped, )" +
         ones_name + R"(, const_2)
  shape = Shape(x) apart = Reshape(normal, shape) scaled = Mul(apart, scale) y = Add(scaled, bias) })";
}

TEST(Normalization, DecomposedGroupNormalizationIsPutTogether) {
  const Model model = load_text(group_norm("1, 1", "const_1"));
  EXPECT_THAT(operators(model),
              ElementsAre("Reshape", "LayerNormalization", "Reshape", "Mul", "Add"));
  EXPECT_THAT(weight_names(model), UnorderedElementsAre("scale", "bias"));
  EXPECT_THAT(run(model, {counting({2, 4, 3})})[0],
              Pointwise(DoubleNear(1e-5), expected(24, 6, 4, 3)));
}

TEST(Normalization, ScalesThatSomebodyNamedOrSetAreTrained) {
  const Model named = load_text(group_norm("1, 1", "gamma"));
  EXPECT_THAT(weight_names(named), UnorderedElementsAre("gamma", "const_2", "scale", "bias"));
  const Model set = load_text(group_norm("1, 2", "const_1"));
  EXPECT_THAT(weight_names(set), UnorderedElementsAre("const_1", "const_2", "scale", "bias"));
}

}  // namespace
}  // namespace headrace
