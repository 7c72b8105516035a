#include "partitioner/cost_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CostGraph read(const std::string& text) {
  const TemporaryFolder folder;
  return read_cost_graph(folder.write("costs.json", text));
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Forward a -> b -> c; the gradients of a and c are held to them, x is a gradient on its own.
const std::string kSmall = R"({"devices": 2, "nodes": [
  {"id": "a", "seconds": 1, "bytes": 10, "colocate": 1}, {"id": "b", "seconds": 2},
  {"id": "c", "seconds": 4, "phase": "F", "colocate": "c"},
  {"id": "C", "seconds": 8, "phase": "I", "colocate": "c"},
  {"id": "x", "seconds": 16, "phase": "I"},
  {"id": "A", "seconds": 32, "phase": "W", "bytes": 5, "colocate": 1}],
 "edges": [{"from": "a", "to": "b", "seconds": 0.5}, {"from": "b", "to": "c", "seconds": 0.25},
  {"from": "c", "to": "C", "seconds": 7}, {"from": "C", "to": "x", "seconds": 3},
  {"from": "x", "to": "A", "seconds": 2}, {"from": "a", "to": "A", "seconds": 0.5}]})";

int unit(const CostProblem& costs, int node) {
  return costs.unit_of_node[static_cast<size_t>(node)];
}

TEST(CostGraph, ColocatedNodesBecomeOneUnitInTheOrderOfTheForwardWork) {
  const CostProblem costs = cost_problem(read(kSmall), 1, true);
  EXPECT_THAT(costs.unit_of_node, ElementsAre(0, 1, 2, 2, 3, 0));  // x beside c, its dearest
  const PartitionProblem& problem = costs.problem;
  ASSERT_EQ(problem.nodes.size(), 4u);
  EXPECT_EQ(problem.nodes[0].forward_s, 1);
  EXPECT_EQ(problem.nodes[0].backward_weight_s, 32);
  EXPECT_EQ(problem.nodes[0].parameter_bytes, 15);
  EXPECT_EQ(problem.nodes[2].backward_input_s, 8);
  for (const PartitionEdge& edge : problem.edges)
    EXPECT_EQ(edge.ordered, edge.to < 3) << edge.from << " -> " << edge.to;
}

TEST(CostGraph, LoadsAreSecondsAndTransfersAtBothEnds) {
  CostGraph graph = read(kSmall);
  const CostProblem costs = cost_problem(graph, 1, true);
  // a and b here; c and x there: b's value goes over, x's comes back.
  const PartitionScore score = score_partition(costs.problem, {0, 0, 1, 1});
  EXPECT_THAT(score.device_s, ElementsAre(35 + 2.25, 28 + 2.25));
  EXPECT_THAT(score.device_bytes, ElementsAre(15, 0));
  EXPECT_EQ(score.cut_s, 2.25);
  EXPECT_THAT(costs.devices({0, 0, 1, 1}), ElementsAre(0, 0, 1, 1, 1, 0));
  graph.overlapped = true;
  EXPECT_THAT(score_partition(cost_problem(graph, 1, true).problem, {0, 1, 1, 1}).device_s,
              ElementsAre(33, 30));
}

// One value read on two other devices, over edges that differ.
TEST(CostGraph, AValueIsReceivedOncePerDeviceAndSentByTheKindOfCommunication) {
  const std::string text =
      R"("devices": 3, "nodes": [{"id": 0, "seconds": 0}, {"id": 1, "seconds": 0},
    {"id": 2, "seconds": 0}, {"id": 3, "seconds": 0}], "link_bytes_per_s": 2, "edges": [
    {"from": 0, "to": 1, "seconds": 1}, {"from": 0, "to": 2, "seconds": 1},
    {"from": 0, "to": 3, "bytes": 6}]})";
  const std::vector<int> apart{0, 1, 1, 2}, together{0, 1, 2, 2};
  const CostProblem p2p = cost_problem(read("{" + text), 1, true);
  EXPECT_THAT(score_partition(p2p.problem, apart).device_s, ElementsAre(4, 1, 3));
  EXPECT_THAT(score_partition(p2p.problem, together).device_s, ElementsAre(4, 1, 3));
  EXPECT_EQ(score_partition(p2p.problem, {0, 1, 1, 1}).cut_bytes, 6);
  const CostProblem host = cost_problem(read("{\"communication\": \"host\", " + text), 1, true);
  EXPECT_THAT(score_partition(host.problem, apart).device_s, ElementsAre(3, 1, 3));
}

TEST(CostGraph, ContiguousStagesKeepForwardCyclesTogether) {
  CostGraph graph = read(kSmall);
  graph.nodes[2].colocate = graph.nodes[0].colocate;  // a and c, with b between them
  const CostProblem contiguous = cost_problem(graph, 1, true);
  EXPECT_EQ(unit(contiguous, 1), unit(contiguous, 0));
  const CostProblem free = cost_problem(graph, 1, false);
  EXPECT_NE(unit(free, 1), unit(free, 0));
  EXPECT_EQ(unit(free, 2), unit(free, 0));
  check_partition(free.problem, {1, 0, 1, 0}, "mine");
}

TEST(CostGraph, StagesRunRoundTheDevices) {
  CostGraph graph = read(kSmall);
  EXPECT_THAT(cost_problem(graph, 2, true).problem.device_of_stage, ElementsAre(0, 1, 0, 1));
  resize_devices(graph, 3);
  EXPECT_EQ(graph.devices.size(), 3u);
  graph.devices[1].speed = 2;
  EXPECT_THROW(resize_devices(graph, 4), Error);
  resize_devices(graph, 2);
  EXPECT_EQ(graph.devices[1].speed, 2);
}

TEST(CostGraph, RefusesWhatIsNoneInOneLine) {
  const auto with = [](const std::string& what) {
    return refusal("{" + what +
                   R"(, "nodes": [{"id": "a", "seconds": 1}, {"id": "b", "seconds": 1}]})");
  };
  EXPECT_THAT(refusal("{"), HasSubstr("costs.json: is no JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("nodes is no list"));
  EXPECT_THAT(refusal(R"({"nodes": []})"), HasSubstr("has no nodes"));
  EXPECT_THAT(with(R"("edgse": [])"), HasSubstr("unknown key 'edgse'; did you mean 'edges'?"));
  EXPECT_THAT(with(R"("devices": 0)"), HasSubstr("devices is 0"));
  EXPECT_THAT(with(R"("devices": [{"speed": 0}])"), HasSubstr("device 0: speed is 0"));
  EXPECT_THAT(with(R"("communication": "mail")"), HasSubstr("communication is \"mail\""));
  EXPECT_THAT(with(R"("edges": [{"from": "a", "to": "z", "seconds": 1}])"),
              HasSubstr("edge 0: there is no node 'z'"));
  EXPECT_THAT(with(R"("edges": [{"from": "a", "to": "b", "seconds": -1}])"),
              HasSubstr("edge 'a' -> 'b': seconds is -1, not 0 or more"));
  EXPECT_THAT(with(R"("edges": [{"from": "a", "to": "b", "bytes": 1}])"),
              HasSubstr("the graph has no link_bytes_per_s"));
  EXPECT_THAT(with(R"("edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}])"),
              HasSubstr("the edges run in a cycle through node '"));
  EXPECT_THAT(refusal(R"({"nodes": [{"id": "a", "seconds": 1}, {"id": "a", "seconds": 1}]})"),
              HasSubstr("node 'a': is there twice"));
  EXPECT_THAT(refusal(R"({"nodes": [{"id": "a", "seconds": 1e999}]})"), HasSubstr("is no JSON"));
  EXPECT_THAT(refusal(R"({"nodes": [{"id": "a", "seconds": "1"}]})"),
              HasSubstr("node 'a': seconds is no number"));
  EXPECT_THAT(refusal(R"({"nodes": [{"id": "a", "seconds": 1, "bytes": 1e300}]})"),
              HasSubstr("node 'a': bytes: more than"));
}

}  // namespace
}  // namespace headrace
