#include <gtest/gtest.h>

#include "executor/devices.h"
#include "tests/gpu/under_test.h"
#include "tests/kernels/device_check.h"
#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

Device& device() {
  // Never destroyed: at exit its libraries may be gone.
  static Device& instance = *make_first_device(run_on(device_under_test())).release();
  return instance;
}

void check_rows(const std::string& op, const Table& table) {
  device().bind_thread();
  for (const OperatorRow& row : table) {
    if (row.op != op) continue;
    SCOPED_TRACE(to_string(row));
    const OperatorCase c = make_case(row);
    DeviceCheck(device(), c, DeviceCheck::Given::row_major).run();
    DeviceCheck convolved(device(), c, DeviceCheck::Given::as_convolved);
    if (!convolved.differs_from_row_major()) continue;
    SCOPED_TRACE("as convolved");
    convolved.run();
  }
}

class GpuOperators : public testing::TestWithParam<std::string> {};

// Every form of the operator table against the reference, as on the CPU.
TEST_P(GpuOperators, AsTheReferenceComputesThem) { check_rows(GetParam(), operator_table()); }

INSTANTIATE_TEST_SUITE_P(Operators, GpuOperators, testing::ValuesIn(operators_of(operator_table())),
                         [](const auto& info) { return info.param; });

// Products and attention in bf16 and f16.
class GpuOperatorsInNarrowFloats : public testing::TestWithParam<std::string> {};

TEST_P(GpuOperatorsInNarrowFloats, AsTheReferenceComputesThem) {
  check_rows(GetParam(), narrow_table());
}

INSTANTIATE_TEST_SUITE_P(Operators, GpuOperatorsInNarrowFloats,
                         testing::ValuesIn(operators_of(narrow_table())),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace headrace
