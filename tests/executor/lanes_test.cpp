#include "executor/lanes.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace headrace {
namespace {

using testing::ElementsAre;

Transfer transfer(int from, int to, int sent, int posted) {
  return {.from = from, .to = to, .parts = {}, .sent = sent, .posted = posted};
}

TEST(Lanes, OneWhereBothEndsAgree) {
  EXPECT_THAT(lanes_of({transfer(0, 1, 0, 3), transfer(0, 1, 2, 4), transfer(0, 1, 7, 9)}),
              ElementsAre(0, 0, 0));
}

TEST(Lanes, OneEachWhereTheReceiverTurnsTheOrderAround) {
  EXPECT_THAT(lanes_of({transfer(0, 1, 0, 2), transfer(0, 1, 1, 1), transfer(0, 1, 2, 0)}),
              ElementsAre(0, 1, 2));
}

TEST(Lanes, OrdersOfOtherDevicesDoNotMatter) {
  EXPECT_THAT(lanes_of({transfer(0, 1, 0, 5), transfer(1, 0, 1, 1), transfer(0, 2, 2, 0)}),
              ElementsAre(0, 0, 0));
}

// Within a lane the order is the same at both ends, and as many transfers as there are lanes stand
// the other way round, each with the next, so that no fewer would do.
TEST(Lanes, AsFewAsThereCanBe) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<int> posted(1 + random() % 12);
    std::iota(posted.begin(), posted.end(), 0);
    std::shuffle(posted.begin(), posted.end(), random);
    std::vector<Transfer> transfers;
    for (size_t t = 0; t < posted.size(); ++t)
      transfers.push_back(transfer(0, 1, static_cast<int>(t), posted[t]));
    const std::vector<int> lanes = lanes_of(transfers);
    std::vector<int> falling(posted.size(), 1);  // the longest that ends with each
    for (size_t b = 0; b < posted.size(); ++b)
      for (size_t a = 0; a < b; ++a) {
        EXPECT_TRUE(lanes[a] != lanes[b] || posted[a] < posted[b]);
        if (posted[a] > posted[b]) falling[b] = std::max(falling[b], falling[a] + 1);
      }
    EXPECT_EQ(*std::ranges::max_element(lanes) + 1, *std::ranges::max_element(falling));
  }
}

}  // namespace
}  // namespace headrace
