#include "scheduler/unit_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "graph/error.h"
#include "scheduler/lower.h"
#include "scheduler/text.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::HasSubstr;

std::string rows(const UnitSteps& steps) {
  std::string text;
  for (const auto& device : steps) {
    for (size_t i = 0; i < device.size(); ++i) {
      if (i > 0) text += ',';
      if (device[i]) text += to_string(*device[i]);
    }
    text += '\n';
  }
  return text;
}

// golden/make.py wrote them with PyTorch's simulation.
TEST(UnitSteps, AreThoseOfPyTorch) {
  const std::string folder = std::string(HEADRACE_SOURCE_DIR) + "/tests/scheduler/golden/";
  for (const std::string name : {"1f1b", "breadth-first", "split-v"}) {
    const Schedule lowered = read_csv(folder + name + ".lowered.csv");
    const StagePlan plan = plan_for(lowered.device_of_stage, StageCost{});
    std::ifstream golden(folder + name + ".steps.csv");
    const std::string expected{std::istreambuf_iterator<char>(golden), {}};
    EXPECT_EQ(rows(unit_steps(lowered, plan)), expected) << name;
  }
}

TEST(UnitSteps, ReceiveGoesWithItsSend) {
  const StagePlan plan = looped_plan(2, 1, 1, 1, 1);
  const UnitSteps steps = unit_steps(lower(gpipe(2, 1), plan), plan);
  EXPECT_EQ(rows(steps),
            "0F0,0SEND_F0,,,0RECV_B0,0B0\n"
            ",1RECV_F0,1F0,1B0,1SEND_B0\n");
  EXPECT_EQ(count(steps), 6);
}

TEST(UnitSteps, ChannelsThatSkipStagesAndPairs) {
  StagePlan plan = plan_for({0, 1, 0}, StageCost{});
  plan.channels.push_back({.from = 0, .to = 2});
  Schedule compute = empty(plan.device, 2, 2);
  compute.devices = {
      {f(0, 0), f(0, 1), f(2, 0), {ActionKind::overlap, 2, 1, -1, 2, 0}, b(2, 1), b(0, 0), b(0, 1)},
      {f(1, 0), f(1, 1), b(1, 0), b(1, 1)}};
  const std::string text = rows(unit_steps(lower(compute, plan), plan));
  EXPECT_THAT(text, HasSubstr(",2RECV_F1,2F0,(2F1;2B0)OVERLAP_F_B,2SEND_B0,"));
}

TEST(UnitSteps, DeadlockTellsWhatEachDeviceWaitsFor) {
  const StagePlan plan = looped_plan(2, 1, 1, 1, 1);
  Schedule lowered = lower(gpipe(2, 1), plan);
  std::swap(lowered.devices[1][0], lowered.devices[1][1]);  // 1F0 before 1RECV_F0
  try {
    unit_steps(lowered, plan);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("  device 0: 0RECV_B0 waits for 1SEND_B0 of device 1\n"));
    EXPECT_THAT(error.what(), HasSubstr("  device 1: 1F0 waits for 1RECV_F0 behind it\n"));
  }
}

}  // namespace
}  // namespace headrace
