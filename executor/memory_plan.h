#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace headrace {

// A piece of memory that is needed from position `first` to position `last` of a device's program,
// both included.
struct Interval {
  int64_t bytes = 0;
  int64_t first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<int64_t> offset;  // per interval, a multiple of 64
  int64_t bytes = 0;            // of the arena
  int64_t peak_live_bytes = 0;  // no plan can need less
};

// Places intervals in one arena so that no two that are alive together overlap: in order of
// `first`, larger ones before smaller, each in the smallest gap that holds it.
MemoryPlan plan_memory(std::span<const Interval> intervals);

}  // namespace headrace
