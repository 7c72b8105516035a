#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <array>

namespace headrace {
namespace {

using Words = std::array<uint32_t, 4>;

Words words(const PhiloxBlock& block) {
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

// The known answers that the authors publish with their generator (Random123, kat_vectors).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(words(philox4x32_10({{0, 0, 0, 0}}, 0, 0)),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(words(philox4x32_10({{ones, ones, ones, ones}}, ones, ones)),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox4x32_10({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822,
                                0x299f31d0)),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

double kept_share(const DropoutDraw& draw) {
  int kept = 0;
  for (uint64_t i = 0; i < 100000; ++i) kept += draw.keeps_element(i);
  return kept / 100000.0;
}

int differences(const DropoutDraw& a, const DropoutDraw& b) {
  int count = 0;
  for (uint64_t i = 0; i < 1000; ++i) count += a.keeps_element(i) != b.keeps_element(i);
  return count;
}

TEST(DropoutDraw, KeepsTheShareThatTheRatioLeaves) {
  for (double ratio : {0.0, 0.1, 0.5, 0.9})  // three standard deviations of a mean of 100000
    EXPECT_NEAR(kept_share({ratio, 1, {.seed = 5}}), 1 - ratio, 0.005);
  EXPECT_EQ(kept_share({0.0, 1, {.seed = 5}}), 1);
}

TEST(DropoutDraw, DependsOnEveryPartOfItsKeyAndNothingElse) {
  const StepContext step{.seed = 5, .step = 2, .microbatch = 1};
  const DropoutDraw draw(0.5, 1, step);
  EXPECT_EQ(differences(draw, {0.5, 1, step}), 0);
  EXPECT_EQ(
      differences(draw, {0.5, 1, {.seed = 5, .step = 2, .microbatch = 1, .learning_rate = 1}}), 0);
  EXPECT_GT(differences(draw, {0.5, 2, step}), 400);
  EXPECT_GT(differences(draw, {0.5, 1, {.seed = 6, .step = 2, .microbatch = 1}}), 400);
  EXPECT_GT(differences(draw, {0.5, 1, {.seed = 5, .step = 3, .microbatch = 1}}), 400);
  EXPECT_GT(differences(draw, {0.5, 1, {.seed = 5, .step = 2, .microbatch = 2}}), 400);
}

}  // namespace
}  // namespace headrace
