#include <gtest/gtest.h>

#include "kernels/cpu/cpu_device.h"
#include "kernels/reference/reference_device.h"
#include "tests/kernels/device_check.h"
#include "tests/kernels/twin_device.h"

namespace headrace {
namespace {

void check_rows(const std::string& op, Device& device, const Table& table = operator_table()) {
  SCOPED_TRACE(device.name());
  device.bind_thread();
  for (const OperatorRow& row : table) {
    if (row.op != op) continue;
    SCOPED_TRACE(to_string(row));
    const OperatorCase c = make_case(row);
    DeviceCheck(device, c, DeviceCheck::Given::row_major).run();
    DeviceCheck convolved(device, c, DeviceCheck::Given::as_convolved);
    if (!convolved.differs_from_row_major()) continue;
    SCOPED_TRACE("as convolved");
    convolved.run();
  }
}

// A test for each operator of the table; its gradient's nodes run with it.
class DeviceKernels : public testing::TestWithParam<std::string> {};

TEST_P(DeviceKernels, OfTheReferenceInF32) { check_rows(GetParam(), *make_reference_device()); }

TEST_P(DeviceKernels, OfTheCpuOnOneThread) { check_rows(GetParam(), *make_cpu_device(0, 1)); }

TEST_P(DeviceKernels, OfTheCpuOnTwoThreads) { check_rows(GetParam(), *make_cpu_device(0, 2)); }

// What the CUDA backend runs of its own, layouts and the way over the host included.
TEST_P(DeviceKernels, OfTheCudaTwin) { check_rows(GetParam(), *make_twin_device()); }

INSTANTIATE_TEST_SUITE_P(Operators, DeviceKernels,
                         testing::ValuesIn(operators_of(operator_table())),
                         [](const auto& info) { return info.param; });

class NarrowDeviceKernels : public testing::TestWithParam<std::string> {};

TEST_P(NarrowDeviceKernels, OfTheCpuOnTwoThreads) {
  check_rows(GetParam(), *make_cpu_device(0, 2), narrow_table());
}

TEST_P(NarrowDeviceKernels, OfTheCudaTwin) {
  check_rows(GetParam(), *make_twin_device(), narrow_table());
}

INSTANTIATE_TEST_SUITE_P(Operators, NarrowDeviceKernels,
                         testing::ValuesIn(operators_of(narrow_table())),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace headrace
