#pragma once

#include <span>
#include <vector>

#include "executor/session.h"
#include "loader/data/dataset.h"

namespace headrace {

// What a prepared model takes from a data set, in the order inputs, targets. Throws Error for an
// input that has no batch axis.
struct FeedPlan {
  std::vector<ValueId> values;  // inputs, then targets
  std::vector<Field> inputs, targets;
};
FeedPlan feed_plan(const PreparedModel& prepared);

// Throws Error when an integer of the data set would point outside what the model reads with it: a
// token beyond the vocabulary, a label beyond the classes.
void check_ranges(const PreparedModel& prepared, const FeedPlan& plan, const Dataset& dataset);

// A mini-batch of `microbatches` that the model can be fed without any data: floats from 0 to 1,
// integers that it can read, the same for the same seed. Throws Error for types that only data can
// fill.
std::vector<std::vector<std::byte>> random_batch(const PreparedModel& prepared,
                                                 const FeedPlan& plan, int microbatches,
                                                 uint64_t seed);

// Feeds a mini-batch: one row-major buffer per value of the plan, samples along the first axis. The
// micro-batches' shares follow from how many targets count in each.
void feed_batch(Pipeline& pipeline, const PreparedModel& prepared, const FeedPlan& plan,
                std::span<const std::span<const std::byte>> fields);

// Targets of one micro-batch that count (are not kIgnoredTarget); for models without class targets
// the micro-batch's samples.
int64_t counted_targets(const PreparedModel& prepared, const FeedPlan& plan,
                        std::span<const std::span<const std::byte>> fields, int microbatch);

}  // namespace headrace
