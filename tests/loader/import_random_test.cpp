#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::Lt;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  const auto values = run(load_text(R"(g () => (float[100,100] u, float[100,100] n)
{ u = RandomUniform<shape = [100, 100], low = -1.0, high = 3.0>()
  n = RandomNormal<shape = [100, 100], mean = 5.0, scale = 2.0>() })"),
                          {});
  EXPECT_THAT(values[0], Each(Ge(-1)));
  EXPECT_THAT(values[0], Each(Lt(3)));
  EXPECT_NEAR(mean_of(values[0]), 1, 0.06);
  EXPECT_NEAR(mean_of(values[1]), 5, 0.1);
  std::vector<double> squares = values[1];
  for (double& x : squares) x = (x - 5) * (x - 5);
  EXPECT_NEAR(mean_of(squares), 4, 0.25);
}

TEST(Random, NodesDrawNumbersOfTheirOwnAndTheSameOnesInTheSameStep) {
  const Model model = load_text(R"(g (float[8] x) => (float[8] a, float[8] b)
{ a = RandomUniformLike(x) b = RandomUniformLike(x) })");
  const auto x = floats({8}, std::vector<float>(8));
  const auto first = run(model, {x});
  EXPECT_NE(first[0], first[1]);
  EXPECT_EQ(first, run(model, {x}));
}

TEST(Random, BernoulliOfAConstantIsDrawnInTheRun) {
  const Model model = load_text(R"(g (float[2] x) => (float[2] y)
<float[2] p = {0, 1}> { b = Bernoulli(p) y = Mul(x, b) })");
  EXPECT_THAT(operators(model), Contains("RandomUniform"));
  EXPECT_THAT(run(model, {floats({2}, {3, 4})})[0], ElementsAre(0, 4));
}

TEST(Random, SixteenBitNumbersAreDrawnInTheDtypeThatIsComputedWith) {
  const Model model = load_text(R"(g (float16[50] x) => (float16[50] y)
{ like = RandomUniformLike(x) declared = RandomUniform<dtype = 10, shape = [50], low = 2.0, high = 3.0>()
  wide = RandomNormalLike<dtype = 16>(x) narrow = Cast<to = 10>(wide) sum = Add(like, declared)
  nothing = Sub(narrow, narrow) known = Add(sum, nothing) y = Add(known, x) })");
  const auto values = run(model, {floats({50}, std::vector<float>(50))})[0];
  EXPECT_THAT(values, Each(Ge(2)));
  EXPECT_THAT(values, Each(Lt(4)));
}

TEST(Random, MultinomialFollowsTheLogProbabilities) {
  const auto draws = run(load_text(R"(g (float[2,3] x) => (int32[2,1000] y)
{ y = Multinomial<sample_size = 1000>(x) })"),
                         {floats({2, 3}, {-90, 0, -90, 1.0986123F, 0, -90})})[0];
  EXPECT_THAT(std::vector<double>(draws.begin(), draws.begin() + 1000), Each(1));
  const auto of_the_first = std::count(draws.begin() + 1000, draws.end(), 0);
  EXPECT_NEAR(static_cast<double>(of_the_first), 750, 60);  // e^1.0986 = 3 to 1
}

}  // namespace
}  // namespace headrace
