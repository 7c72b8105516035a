#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace headrace::cpu {

// Work below this many bytes or flops per thread is not worth waking the team for.
inline constexpr int64_t kParallelGrain = 1 << 15;

// Calls body(begin, end) over [0, n) in one consecutive range per thread of the calling thread's
// team. Ranges start at multiples of `align` and depend on n and the team's size only. `cost` is
// the work of one item in elements.
template <typename Body>
void parallel_ranges(int64_t n, int64_t cost, Body body, int64_t align = 1) {
  const int64_t useful = n * std::max<int64_t>(cost, 1) / kParallelGrain;
  const int team = static_cast<int>(std::clamp<int64_t>(useful, 1, omp_get_max_threads()));
  if (team == 1) {
    if (n > 0) body(int64_t{0}, n);
    return;
  }
  const int64_t share = ((n + team - 1) / team + align - 1) / align * align;
#pragma omp parallel for schedule(static) num_threads(team)
  for (int t = 0; t < team; ++t) {
    const int64_t begin = t * share, end = std::min(n, begin + share);
    if (begin < end) body(begin, end);
  }
}

}  // namespace headrace::cpu
