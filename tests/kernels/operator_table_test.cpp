#include "tests/kernels/operator_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "graph/op_def.h"
#include "tests/kernels/operator_case.h"

namespace headrace {
namespace {

// Every canonical operator stands in a row or in the gradient of one.
TEST(OperatorTable, KnowsEveryOperator) {
  std::set<std::string_view> missing;
  for (const OpDef* op : all_ops()) missing.insert(op->name);
  for (const OperatorRow& row : operator_table())
    for (const OperatorCase c = make_case(row); const Node* node : c.nodes())
      missing.erase(get_op(node->op).name);
  // Kernels never see Identity; DeviceCheck builds Reorder nodes of its own.
  EXPECT_THAT(missing, testing::ElementsAre("Identity", "Reorder"));
}

TEST(OperatorTable, HasNoRowTwice) {
  std::set<std::string> seen;
  for (const OperatorRow& row : operator_table()) {
    std::string key = to_string(row) + fmt::format(" step {} outputs {}", row.step.step,
                                                   fmt::join(row.outputs, " "));
    for (const InputSpec& input : row.inputs)
      key += fmt::format(" {} {} {}{} {} {}", input.low, input.high, input.differentiable,
                         input.constant, input.sprinkle_every, input.sprinkle);
    EXPECT_TRUE(seen.insert(key).second) << key;
  }
}

}  // namespace
}  // namespace headrace
