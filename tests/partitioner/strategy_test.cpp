#include "partitioner/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph/error.h"

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Four nodes on two devices; value 0 goes from node 0 to 1, 2 and 3, value 1 from 2 to 3.
PartitionProblem diamond() {
  PartitionProblem problem;
  for (int i = 0; i < 4; ++i)
    problem.nodes.push_back({.op = "Relu",
                             .forward_s = 1,
                             .backward_input_s = 2,
                             .backward_weight_s = 3.0 * i,
                             .parameter_bytes = 100,
                             .activation_bytes = 10});
  for (int to = 1; to < 4; ++to)
    problem.edges.push_back(
        {.from = 0, .to = to, .value = 0, .forward_bytes = 8, .backward_bytes = to == 2 ? 8 : 0});
  problem.edges.push_back(
      {.from = 2, .to = 3, .value = 1, .forward_bytes = 4, .backward_bytes = 4});
  problem.devices.resize(2);
  problem.microbatches = 5;
  problem.device_of_stage = {0, 1};
  problem.link_bytes_per_s = 4;
  problem.link_latency_s = 0.5;
  return problem;
}

std::string verdict(const PartitionProblem& problem, const std::vector<int>& stages) {
  try {
    check_partition(problem, stages, "mine");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CheckPartition, AcceptsWhatIsRight) {
  EXPECT_EQ(verdict(diamond(), {0, 0, 1, 1}), "");
  EXPECT_EQ(verdict(diamond(), {0, 1, 0, 1}), "");  // not contiguous, yet no edge runs backwards
}

TEST(CheckPartition, NamesStrategyNodeAndFault) {
  PartitionProblem problem = diamond();
  EXPECT_THAT(verdict(problem, {0, 0, 1}), HasSubstr("partitioner mine: answered for 3 nodes"));
  EXPECT_THAT(verdict(problem, {0, 0, 1, 2}), HasSubstr("node 3 (Relu) is in stage 2"));
  EXPECT_THAT(verdict(problem, {0, -1, 1, 1}), HasSubstr("node 1 (Relu) is in stage -1"));
  EXPECT_THAT(verdict(problem, {0, 0, 0, 0}), HasSubstr("stage 1 of 2 has no nodes"));
  EXPECT_THAT(verdict(problem, {0, 0, 1, 0}),
              HasSubstr("node 2 (Relu) in stage 1 feeds node 3 (Relu) in the earlier stage 0"));
  problem.nodes[0].colocate = problem.nodes[2].colocate = 3;
  EXPECT_THAT(verdict(problem, {0, 0, 1, 1}), HasSubstr("must share a stage, but are in 0 and 1"));
}

TEST(CheckPartition, HoldsDevicesToTheirMemory) {
  PartitionProblem problem = diamond();
  problem.devices[1].memory_bytes = 300;  // 2 * (100 + 5 * 10)
  EXPECT_EQ(verdict(problem, {0, 0, 1, 1}), "");
  problem.devices[1].memory_bytes = 299;
  EXPECT_THAT(verdict(problem, {0, 0, 1, 1}),
              HasSubstr("device 1 would hold 300 bytes, its limit is 299"));
  problem.in_flight_of_stage = {5, 4};
  EXPECT_EQ(verdict(problem, {0, 0, 1, 1}), "");
}

TEST(ScorePartition, CountsAValueOncePerDeviceAndItsGradientWhereOneFlows) {
  const PartitionProblem problem = diamond();
  // Value 0 crosses once although nodes 2 and 3 read it: 0.5 + 8/4 each way.
  const PartitionScore score = score_partition(problem, {0, 0, 1, 1});
  EXPECT_THAT(score.device_s, ElementsAre(3 + 6 + 5, 9 + 12 + 5));
  EXPECT_THAT(score.device_bytes, ElementsAre(300, 300));
  EXPECT_EQ(score.cut_bytes, 16);
  EXPECT_EQ(score.bottleneck_s, 26);
  // Only node 3 on device 1: value 0 goes there without a gradient, value 1 both ways.
  const PartitionScore last = score_partition(problem, {0, 0, 0, 1});
  EXPECT_THAT(last.device_s, ElementsAre(3 + 6 + 9 + 2.5 + 3, 12 + 2.5 + 3));
  EXPECT_EQ(last.cut_bytes, 16);
}

TEST(ScorePartition, SpeedScalesComputeAndFreeLinksCostNothing) {
  PartitionProblem problem = diamond();
  problem.devices[1].speed = 4;
  problem.link_bytes_per_s = 0;
  EXPECT_THAT(score_partition(problem, {0, 0, 1, 1}).device_s, ElementsAre(9, 21.0 / 4));
}

TEST(ScorePartition, StagesOfOneDeviceShareWhatTheyReceive) {
  PartitionProblem problem = diamond();
  problem.device_of_stage = {0, 1, 1};
  const PartitionScore apart = score_partition(problem, {0, 0, 1, 2});
  EXPECT_THAT(apart.device_s, ElementsAre(14, 26));
}

}  // namespace
}  // namespace headrace
