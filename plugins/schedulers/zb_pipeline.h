#pragma once

// What zb-search searches over: orders of F, I and W on a chain of one stage per device, what they
// cost and what they hold.

#include <utility>
#include <vector>

#include "plugins/schedulers/zero_bubble.h"

namespace headrace::zero_bubble {

// One value per device; seconds of one micro-batch. What a micro-batch holds is counted in whole
// micro-batches: 1 from F to I, `stash` from I to W.
struct Problem {
  int devices = 1, microbatches = 1;
  std::vector<double> forward_s = {}, input_s = {}, weight_s = {};
  std::vector<double> limit = {}, stash = {};
  double latency_s = 0;

  double seconds(int device, int kind) const {
    const auto d = static_cast<size_t>(device);
    return kind == HEADRACE_FORWARD          ? forward_s[d]
           : kind == HEADRACE_BACKWARD_INPUT ? input_s[d]
                                             : weight_s[d];
  }
};

using Lists = std::vector<std::vector<Turn>>;  // per device, in order

// The paper's cost first: the longest time over devices between first start and last end. Then the
// time from the first start of all to the last end of all.
struct Cost {
  double span_s = 0, makespan_s = 0;
  bool operator<(const Cost& other) const {
    return std::pair(span_s, makespan_s) < std::pair(other.span_s, other.makespan_s);
  }
};

// Of lists that are whole and cannot deadlock.
Cost cost_of(const Problem& problem, const Lists& lists);
bool fits(const Problem& problem, const Lists& lists);

// How a device decides what to run next. I goes before F, both before W, but for what is said here.
struct Policy {
  std::vector<int> in_flight = {};  // most micro-batches between F and I, per device, 1 or more
  std::vector<int> owed = {};       // a device that owes more W than this runs one first
  double overrun = 0;               // the share of a W that may stick out of the gap it fills
  bool forward_first = false;       // F before I where both could run
};

struct Answer {
  Lists lists = {};
  Cost cost = {};
};

// The order that comes out when every device follows the policy in time, within the limits.
Answer follow(const Problem& problem, const Policy& policy);

// What fixes an order without looking at times, per device; ZB-H1 and ZB-H2 are of this kind.
struct Shape {
  std::vector<int> ahead = {};  // forwards before the first pair of F and I
  std::vector<int> owed = {};   // a device that owes more W than this runs one behind I
};

// `ahead` forwards, then F and I in turn with the W that `owed` and the limits ask for, then what
// is left of W. Fewer ahead where the limits, the micro-batches or the devices before allow no
// more.
Answer build(const Problem& problem, const Shape& shape);

}  // namespace headrace::zero_bubble
