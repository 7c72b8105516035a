// Between accumulation and breadth-first, by two integers (as Fast-LLM has it): `depth` groups one
// after the other, each of `breadth` micro-batches that go breadth-first. depth 1 is breadth-first,
// breadth 1 is gradient accumulation with one micro-batch in flight. A device holds the
// activations of one group, and the pipeline fills and drains once per group.

#include <stdexcept>
#include <string>

#include "plugins/sdk.h"

using namespace headrace;

static constexpr headrace_option options[] = {
    sdk::int_option("depth", "0", "0", nullptr,
                    "Groups that run one after the other; 0: as breadth leaves, else 1."),
    sdk::int_option("breadth", "0", "0", nullptr,
                    "Micro-batches of a group, which go breadth-first; 0: as depth leaves."),
};

static int breadth_of(const sdk::ScheduleRequest& r) {
  const int m = r.microbatches(), depth = r.option<int>("depth"),
            breadth = r.option<int>("breadth");
  const int given = breadth != 0 ? breadth : depth != 0 ? depth : 1;
  if (m % given != 0)
    throw std::invalid_argument(std::to_string(m) + " micro-batches cannot be cut into groups by " +
                                (breadth != 0 ? "breadth " : "depth ") + std::to_string(given) +
                                "; " + std::to_string((m / given + 1) * given) +
                                " micro-batches can");
  if (breadth != 0 && depth != 0 && int64_t{breadth} * depth != m)
    throw std::invalid_argument("depth " + std::to_string(depth) + " times breadth " +
                                std::to_string(breadth) + " is not " + std::to_string(m) +
                                " micro-batches; depth " + std::to_string(m / breadth) +
                                " would fit");
  return breadth != 0 ? breadth : m / given;
}

static void hybrid(const sdk::ScheduleRequest& r) {
  const int breadth = breadth_of(r);
  for (int first = 0; first < r.microbatches(); first += breadth) {
    for (int stage = 0; stage < r.stages(); ++stage)
      for (int mb = first; mb < first + breadth; ++mb) r.forward(stage, mb);
    for (int stage = r.stages() - 1; stage >= 0; --stage)
      for (int mb = first; mb < first + breadth; ++mb) r.backward(stage, mb);
  }
}

HEADRACE_DEFINE_SCHEDULER("hybrid", "Groups of micro-batches in turn, each breadth-first.", hybrid,
                          sdk::looped, options)
