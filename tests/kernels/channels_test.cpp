#include "kernels/cuda/channels.h"

#include <gmock/gmock.h>

#include <vector>

#include "kernels/cuda/layouts.h"

namespace headrace::cuda {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

// Of whole numbers, so that every order of summing gives the same.
std::vector<float> sums_of(const TensorType& image, const Layout& layout) {
  std::vector<float> rows(static_cast<size_t>(image.elements())), lies(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * 7 % 23);
  convert(image, {}, layout, rows.data(), lies.data());
  const ChannelSums sums(image, layout);
  std::vector<std::byte> workspace(sums.workspace_bytes());
  std::vector<float> made(static_cast<size_t>(image.shape[1]));
  sums.run({}, lies.data(), made.data(), workspace.data());
  return made;
}

TEST(Channels, AreSummedInEitherLayout) {
  // More rows than one block of the first half takes.
  const TensorType image{DType::f32, {3, 5, 11, 19}};
  std::vector<float> expected(5, 0);
  for (int64_t i = 0; i < image.elements(); ++i)
    expected[static_cast<size_t>(i / (11 * 19) % 5)] += static_cast<float>(i * 7 % 23);
  EXPECT_EQ(sums_of(image, {}), expected);
  EXPECT_EQ(sums_of(image, channels_last(image)), expected);
}

TEST(Channels, StatisticsAreTurnedIntoDeviationsAndBack) {
  const std::vector<float> variance{0, 1, 0.25F, 9}, mean{1, 2, 3, 4};
  std::vector<float> inverse(4), again(4);
  inverse_deviations({}, 4, variance.data(), 1e-5F, inverse.data());
  EXPECT_THAT(inverse, ElementsAre(FloatNear(316.2278F, 1e-3F), FloatNear(0.999995F, 1e-6F),
                                   FloatNear(1.99996F, 1e-6F), FloatNear(0.333333F, 1e-6F)));
  std::vector<float> running_mean{0, 0, 10, 10}, running_variance{1, 1, 1, 1};
  batch_statistics({}, 4, mean.data(), inverse.data(), 1e-5F, again.data(),
                   {running_mean.data(), running_variance.data(), running_mean.data(),
                    running_variance.data(), 0.75F});
  EXPECT_THAT(again, Pointwise(FloatNear(2e-6F), variance));
  EXPECT_THAT(running_mean, ElementsAre(0.25F, 0.5F, 8.25F, 8.5F));
  EXPECT_THAT(running_variance, ElementsAre(FloatNear(0.75F, 1e-6F), FloatNear(1, 1e-6F),
                                            FloatNear(0.8125F, 1e-6F), FloatNear(3, 1e-5F)));
}

TEST(Channels, VarianceIsNeverBelowZero) {
  const std::vector<float> inverse{400}, mean{0};  // more than 1 / sqrt(epsilon)
  std::vector<float> variance{-1};
  batch_statistics({}, 1, mean.data(), inverse.data(), 1e-5F, variance.data(), {});
  EXPECT_EQ(variance[0], 0);
}

TEST(Channels, AreAddedTo) {
  const std::vector<float> from{1, 2};
  std::vector<float> to{10, 20};
  add_to({}, {DType::f32, {2}}, from.data(), to.data());
  EXPECT_THAT(to, ElementsAre(11, 22));
}

}  // namespace
}  // namespace headrace::cuda
