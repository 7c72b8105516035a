#include "partitioner/cost_comparison.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(CostComparison, GivesEveryOperatorItsMeanAndItsWorst) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {4}});
  graph.add("Exp", {x}, {});
  graph.add("Neg", {x}, {});
  graph.add("Exp", {x}, {});
  graph.add("Abs", {x}, {});
  const auto rows = compare_costs(graph, {8, 1, 1, 3}, {2, 1, 4, 0});
  ASSERT_EQ(rows.size(), 2u) << "what is free says nothing";
  EXPECT_EQ(rows[0].op, "Exp");
  EXPECT_EQ(rows[0].nodes, 2);
  EXPECT_EQ(rows[0].measured_s, 9);
  EXPECT_EQ(rows[0].analytic_s, 6);
  EXPECT_DOUBLE_EQ(rows[0].ratio, 1);  // of 4 and 1/4
  EXPECT_EQ(rows[0].worst, 4);
  EXPECT_EQ(rows[0].worst_node, static_cast<NodeId>(0));
  EXPECT_EQ(rows[1].op, "Neg");
  EXPECT_EQ(rows[1].ratio, 1);
}

}  // namespace
}  // namespace headrace
