#include "scheduler/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "graph/error.h"
#include "scheduler/text.h"
#include "scheduler/validate.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  const std::string path = std::string(HEADRACE_SOURCE_DIR) + "/tests/scheduler/golden/" + name;
  std::ifstream file(path);
  if (!file) throw Error("cannot read {}", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// golden/make.py wrote them with PyTorch's own pass.
TEST(Lower, PutsTransfersWhereThePublishedPassDoes) {
  for (const std::string name : {"1f1b", "breadth-first", "split-v", "overlapped"}) {
    const Schedule compute = parse_csv(golden(name + ".csv"), name);
    const StagePlan plan = plan_for(compute.device_of_stage, StageCost{});
    validate(compute, plan, name);
    const Schedule lowered = lower(compute, plan);
    EXPECT_EQ(to_csv(lowered), golden(name + ".lowered.csv")) << name;
    validate(lowered, plan, name);
    EXPECT_EQ(lowered.microbatches, compute.microbatches);
    EXPECT_EQ(lowered.device_of_stage, compute.device_of_stage);
  }
}

TEST(Lower, AddsNothingOnOneDevice) {
  const StagePlan plan = looped_plan(1, 3, 1, 1, 1);
  const Schedule compute = breadth_first(1, 3, 2);
  EXPECT_EQ(lower(compute, plan).devices, compute.devices);
}

TEST(Lower, LeavesALoweredScheduleAsItIs) {
  const StagePlan plan = looped_plan(3, 1, 1, 1, 1);
  const Schedule lowered = lower(one_f_one_b(3, 4), plan);
  EXPECT_EQ(lower(lowered, plan).devices, lowered.devices);
}

// Stage 0 also feeds stage 2; two values from 0 to 1 go in one transfer; stages 1 and 3 share a
// device, so between them nothing is sent.
TEST(Lower, JoinsAnyTwoStages) {
  StagePlan plan = plan_for({0, 1, 2, 1}, StageCost{});
  plan.channels.push_back({.from = 0, .to = 1});
  plan.channels.push_back({.from = 0, .to = 2});
  plan.channels.push_back({.from = 1, .to = 3});
  plan.channels.push_back({.from = 2, .to = 0, .phase = Phase::backward_input});
  plan.channels.push_back({.from = 3, .to = 1, .phase = Phase::backward_input});
  Schedule compute = empty(plan.device, 3, 1);
  compute.devices = {
      {f(0, 0), b(0, 0)}, {f(1, 0), f(3, 0), b(3, 0), i(1, 0), w(1, 0)}, {f(2, 0), b(2, 0)}};
  const Schedule lowered = lower(compute, plan);
  EXPECT_EQ(to_csv(lowered),
            "0F0,0SEND_F0,0SEND_F0>2,0RECV_B0<2,0RECV_B0,0B0\n"
            "1RECV_F0,1F0,1SEND_F0,3RECV_F0,3F0,3B0,3SEND_B0,1RECV_B0,1I0,1SEND_B0,1W0\n"
            "2RECV_F0<0,2RECV_F0,2F0,2SEND_F0,2RECV_B0,2B0,2SEND_B0,2SEND_B0>0\n");
  validate(lowered, plan, "test");
}

// All devices' lists agree with one order of the transfers, whatever the schedule.
TEST(Lower, OrderOfTransfersIsTheSameAtBothEnds) {
  std::mt19937 random(3);
  for (int n = 0; n < 200; ++n) {
    const int stages = 2 + static_cast<int>(random() % 5), m = 1 + static_cast<int>(random() % 4);
    std::vector<int> devices(stages);
    for (int& d : devices) d = static_cast<int>(random() % 3);
    StagePlan plan = plan_for(devices, StageCost{});
    if (stages > 2) {
      plan.channels.push_back({.from = 0, .to = stages - 1});
      plan.channels.push_back({.from = stages - 1, .to = 0, .phase = Phase::backward_input});
    }
    const Schedule compute = random_schedule(plan, m, random);
    validate(compute, plan, "random");
    const Schedule lowered = lower(compute, plan);
    validate(lowered, plan, "random");
    std::map<std::pair<int, int>, std::vector<std::string>> sent, received;
    for (int d = 0; d < static_cast<int>(lowered.devices.size()); ++d) {
      std::vector<Action> rest;
      for (const Action& a : lowered.devices[d]) {
        if (is_compute(a.kind)) rest.push_back(a);
        const int peer = is_transfer(a.kind) ? plan.device[a.peer] : 0;
        if (is_send(a.kind))
          sent[{d, peer}].push_back(fmt::format("{}>{} {} {}", a.stage, a.peer, a.microbatch,
                                                a.kind == ActionKind::send_forward));
        if (is_receive(a.kind))
          received[{peer, d}].push_back(fmt::format("{}>{} {} {}", a.peer, a.stage, a.microbatch,
                                                    a.kind == ActionKind::receive_forward));
      }
      EXPECT_EQ(rest, compute.devices[d]);
    }
    EXPECT_EQ(sent, received);
  }
}

TEST(Lower, RefusesAScheduleThatCannotRun) {
  const StagePlan plan = looped_plan(2, 1, 1, 1, 1);
  Schedule s = empty(plan.device, 2, 2);
  s.devices = {{f(0, 0), b(0, 0), f(0, 1), b(0, 1)}, {f(1, 0), f(1, 1), b(1, 0), b(1, 1)}};
  try {
    lower(s, plan);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "schedule: stage 0, micro-batch 0: deadlock, device 0 cannot run 0B0\n"
                 "  device 0: 0B0 waits for 1B0 of device 1\n"
                 "  device 1: 1F1 waits for 0F1 of device 0\n"
                 "device 0 | 0F0   .     [0B0] 0F1   .     0B1\n"
                 "device 1 | .     1F0   [1F1] 1B0   1B1   .\n");
  }
}

}  // namespace
}  // namespace headrace
