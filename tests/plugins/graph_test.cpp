// `graph`: stages that need not be contiguous.

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "tests/plugins/problems.h"

namespace headrace {
namespace {

using headrace::testing::empty_problem;
using headrace::testing::error_of;
using headrace::testing::kPlugins;
using ::testing::HasSubstr;

std::unique_ptr<PartitionStrategy> graph(OptionValues options = {{"starts", "4"}}) {
  return PluginRegistry({kPlugins}).load_partitioner("graph", options);
}

// Nodes with values between any two of them, in any direction.
PartitionProblem tangle(unsigned seed, int nodes, int devices) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> real(0.1, 1);
  PartitionProblem problem = empty_problem(devices, 1);
  problem.contiguous = false;
  problem.empty_stages = true;
  problem.communication = seed % 2 == 0 ? Communication::host : Communication::p2p;
  for (int node = 0; node < nodes; ++node) {
    problem.nodes.push_back({.op = "Add", .forward_s = real(random), .parameter_bytes = 1});
    PartitionValue value{.producer = node, .readers = {}, .bytes = 1, .seconds = real(random) / 2};
    for (int reader = 0; reader < nodes; ++reader)
      if (reader != node && random() % 5 == 0) value.readers.push_back(reader);
    if (!value.readers.empty()) problem.values.push_back(value);
  }
  if (seed % 3 == 0) problem.devices[0].memory_bytes = nodes / 3;
  if (seed % 5 == 0) problem.devices[1].speed = 2;
  return problem;
}

double best_assignment_s(const PartitionProblem& problem) {
  std::vector<int> stages(problem.nodes.size());
  double best = std::numeric_limits<double>::infinity();
  for (;;) {
    const PartitionScore score = score_partition(problem, stages);
    const int64_t limit = problem.devices[0].memory_bytes;
    if (limit == 0 || score.device_bytes[0] <= limit) best = std::min(best, score.bottleneck_s);
    size_t node = 0;
    while (node < stages.size() && ++stages[node] == problem.stages()) stages[node++] = 0;
    if (node == stages.size()) return best;
  }
}

TEST(GraphPartitioner, IsTheBestOfAllOnSmallGraphs) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    const PartitionProblem problem = tangle(seed, 7, 2 + static_cast<int>(seed % 2));
    const double best = best_assignment_s(problem);
    const PartitionAnswer answer = graph({{"starts", "1"}})->solve(problem);
    EXPECT_NEAR(score_partition(problem, answer.stage_of_node).bottleneck_s, best, 1e-9 * best);
    EXPECT_NEAR(answer.lower_bound_s, best, 1e-9 * best);
  }
}

TEST(GraphPartitioner, MovesAloneComeCloseAndRepeat) {
  // Twelve pairs that must stay together, dealt out over three devices to the letter.
  PartitionProblem problem = empty_problem(3, 1);
  problem.contiguous = false;
  problem.empty_stages = true;
  for (int node = 0; node < 24; ++node) {
    problem.nodes.push_back({.op = "Add", .forward_s = 1});
    if (node >= 12)
      problem.values.push_back({.producer = node, .readers = {node - 12}, .seconds = 5});
  }
  const std::vector<int> stages = graph()->partition(problem);
  EXPECT_EQ(score_partition(problem, stages).bottleneck_s, 8);
  EXPECT_EQ(graph()->partition(problem), stages);
}

TEST(GraphPartitioner, SaysThatItIsForGraphsThatNeedNotBeContiguous) {
  PartitionProblem problem = tangle(1, 4, 2);
  problem.contiguous = true;
  EXPECT_THAT(error_of([&] { graph()->partition(problem); }), HasSubstr("need not be contiguous"));
}

TEST(GraphPartitioner, SaysWhenMemoryIsTooSmall) {
  PartitionProblem problem = tangle(1, 4, 2);
  for (PartitionDevice& device : problem.devices) device.memory_bytes = 1;
  EXPECT_THAT(error_of([&] { graph()->partition(problem); }), HasSubstr("memory is too small"));
}

}  // namespace
}  // namespace headrace
