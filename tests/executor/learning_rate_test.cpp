#include "executor/learning_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::HasSubstr;

TEST(LearningRate, WarmsUpThenStays) {
  const LearningRateSpec spec{.peak = 0.8, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(learning_rate(spec, 0, 100), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 2, 100), 0.6);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 3, 100), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 4, 100), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 99, 100), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate({.peak = 0.8}, 0, 100), 0.8);
}

TEST(LearningRate, FollowsACosineToItsFloor) {
  const LearningRateSpec spec{.peak = 1, .decay = Decay::cosine, .warmup_steps = 10, .floor = 0.2};
  EXPECT_DOUBLE_EQ(learning_rate(spec, 4, 110), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 10, 110), 1);
  EXPECT_NEAR(learning_rate(spec, 35, 110), 0.2 + 0.4 * (1 + 0.70710678118654752), 1e-15);
  EXPECT_NEAR(learning_rate(spec, 60, 110), 0.6, 1e-15);
  EXPECT_NEAR(learning_rate(spec, 110, 110), 0.2, 1e-15);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 500, 110), 0.2);
  // A training that ends within its warm-up.
  EXPECT_DOUBLE_EQ(learning_rate(spec, 5, 8), 0.6);
  EXPECT_DOUBLE_EQ(learning_rate(spec, 10, 10), 0.2);
}

TEST(LearningRate, FallsInSteps) {
  const LearningRateSpec spec{
      .peak = 1, .decay = Decay::step, .warmup_steps = 2, .every = 3, .factor = 0.5};
  const double expected[] = {0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25};
  for (int64_t step = 0; step < 9; ++step)
    EXPECT_DOUBLE_EQ(learning_rate(spec, step, 9), expected[step]) << step;
}

TEST(LearningRate, RefusesWhatMakesNoSense) {
  EXPECT_EQ(decay_named("cosine"), Decay::cosine);
  EXPECT_EQ(decay_named("step"), Decay::step);
  EXPECT_THAT(message_of<Error>([] { decay_named("cosin"); }), HasSubstr("'cosine'"));
  check({.peak = 0});
  EXPECT_THROW(check({.peak = -1}), Error);
  EXPECT_THROW(check({.peak = std::numeric_limits<double>::quiet_NaN()}), Error);
  EXPECT_THROW(check({.warmup_steps = -1}), Error);
  EXPECT_THROW(check({.peak = 1, .decay = Decay::cosine, .floor = 2}), Error);
  EXPECT_THROW(check({.decay = Decay::step, .every = 0}), Error);
  EXPECT_THROW(check({.decay = Decay::step, .every = 1, .factor = -1}), Error);
}

}  // namespace
}  // namespace headrace
