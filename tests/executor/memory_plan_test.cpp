#include "executor/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace headrace {
namespace {

int64_t rounded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

bool alive_together(const Interval& a, const Interval& b) {
  return a.first <= b.last && b.first <= a.last;
}

TEST(MemoryPlan, ReusesWhatIsOver) {
  const std::vector<Interval> intervals = {{100, 0, 1}, {100, 2, 3}, {100, 4, 5}};
  const MemoryPlan plan = plan_memory(intervals);
  EXPECT_EQ(plan.bytes, 128);
  EXPECT_EQ(plan.offset, (std::vector<int64_t>{0, 0, 0}));
}

TEST(MemoryPlan, KeepsApartWhatTouches) {
  // The first is still read in the position where the second is made.
  const std::vector<Interval> intervals = {{64, 0, 2}, {64, 2, 3}};
  EXPECT_EQ(plan_memory(intervals).bytes, 128);
}

TEST(MemoryPlan, JoinsNeighbouringGaps) {
  const std::vector<Interval> intervals = {{64, 0, 0}, {64, 0, 0}, {128, 1, 1}};
  EXPECT_EQ(plan_memory(intervals).bytes, 128);
}

TEST(MemoryPlan, EmptyIntervalsTakeNothing) {
  const std::vector<Interval> intervals = {{0, 0, 9}, {0, 0, 9}};
  EXPECT_EQ(plan_memory(intervals).bytes, 0);
}

TEST(MemoryPlan, RandomIntervalsNeverOverlapAndStayNearTheBound) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Interval> intervals;
    for (int i = 0; i < 200; ++i) {
      const auto first = static_cast<int64_t>(random() % 100);
      intervals.push_back({static_cast<int64_t>(random() % 5000), first,
                           first + static_cast<int64_t>(random() % 20)});
    }
    const MemoryPlan plan = plan_memory(intervals);
    EXPECT_GE(plan.bytes, plan.peak_live_bytes);
    EXPECT_LE(plan.bytes, 2 * plan.peak_live_bytes);
    for (size_t a = 0; a < intervals.size(); ++a) {
      EXPECT_EQ(plan.offset[a] % 64, 0);
      EXPECT_LE(plan.offset[a] + intervals[a].bytes, plan.bytes);
      for (size_t b = 0; b < a; ++b) {
        if (!alive_together(intervals[a], intervals[b])) continue;
        if (intervals[a].bytes == 0 || intervals[b].bytes == 0) continue;
        EXPECT_TRUE(plan.offset[a] + rounded(intervals[a].bytes) <= plan.offset[b] ||
                    plan.offset[b] + rounded(intervals[b].bytes) <= plan.offset[a]);
      }
    }
  }
}

}  // namespace
}  // namespace headrace
