#include "executor/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>

#include "graph/error.h"

namespace headrace {
namespace {

constexpr int64_t kAlignment = 64;
int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Free gaps below the arena's end, by offset; neighbours are joined when memory comes back.
class Gaps {
 public:
  int64_t take(int64_t bytes) {
    auto best = gaps_.end();
    for (auto it = gaps_.begin(); it != gaps_.end(); ++it)
      if (it->second >= bytes && (best == gaps_.end() || it->second < best->second)) best = it;
    if (best != gaps_.end()) {
      const auto [offset, size] = *best;
      gaps_.erase(best);
      if (size > bytes) gaps_[offset + bytes] = size - bytes;
      return offset;
    }
    // Nothing fits: grow the arena, starting inside a gap that touches its end.
    int64_t offset = end_;
    if (!gaps_.empty()) {
      const auto last = std::prev(gaps_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        gaps_.erase(last);
      }
    }
    end_ = offset + bytes;
    return offset;
  }

  void give_back(int64_t offset, int64_t bytes) {
    auto next = gaps_.lower_bound(offset);
    if (next != gaps_.end() && offset + bytes == next->first) {
      bytes += next->second;
      next = gaps_.erase(next);
    }
    if (next != gaps_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += bytes;
        return;
      }
    }
    gaps_[offset] = bytes;
  }

  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> gaps_;
  int64_t end_ = 0;
};

}  // namespace

MemoryPlan plan_memory(std::span<const Interval> intervals) {
  std::vector<size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return intervals[a].first != intervals[b].first ? intervals[a].first < intervals[b].first
                                                    : intervals[a].bytes > intervals[b].bytes;
  });

  MemoryPlan plan;
  plan.offset.resize(intervals.size());
  Gaps gaps;
  int64_t live = 0;
  using Ending = std::pair<int64_t, size_t>;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> alive;
  for (const size_t i : order) {
    const Interval& interval = intervals[i];
    HEADRACE_CHECK(interval.bytes >= 0 && interval.last >= interval.first);
    while (!alive.empty() && alive.top().first < interval.first) {
      const size_t over = alive.top().second;
      alive.pop();
      gaps.give_back(plan.offset[over], aligned(intervals[over].bytes));
      live -= aligned(intervals[over].bytes);
    }
    if (interval.bytes == 0) continue;
    const int64_t bytes = aligned(interval.bytes);
    plan.offset[i] = gaps.take(bytes);
    alive.emplace(interval.last, i);
    live += bytes;
    plan.peak_live_bytes = std::max(plan.peak_live_bytes, live);
  }
  plan.bytes = gaps.end();
  return plan;
}

}  // namespace headrace
