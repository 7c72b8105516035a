// Links that differ, network cards, devices of unequal speed, updates, and what idle time is for.

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "scheduler/lower.h"
#include "scheduler/simulate.h"
#include "scheduler/text.h"
#include "tests/scheduler/generators.h"
#include "tests/scheduler/times_of.h"

namespace headrace {
namespace {

using namespace headrace::testing;

StageCost seconds(double forward, double input, double weight) {
  StageCost cost;
  cost.forward_s = forward;
  cost.backward_input_s = input;
  cost.backward_weight_s = weight;
  return cost;
}

TEST(Links, TheLastPairThatFitsThenTheNodeThenTheRest) {
  const Links links{.latency_s = 4,
                    .bytes_per_s = 1,
                    .node = {0, 0, 1},
                    .in_node = {.latency_s = 2, .bytes_per_s = 10},
                    .pairs = {{.from = 0, .to = 1, .link = {.latency_s = 7}},
                              {.from = 0, .to = 1, .link = {.latency_s = 8}}}};
  EXPECT_EQ(links.between(0, 1).latency_s, 8);
  EXPECT_EQ(links.between(1, 0).latency_s, 2);
  EXPECT_EQ(links.between(1, 0).bytes_per_s, 10);
  EXPECT_EQ(links.between(1, 2).latency_s, 4);
  EXPECT_EQ(links.between(1, 2).bytes_per_s, 1);
}

TEST(Links, EveryTransferGoesByItsOwn) {
  const StagePlan plan = plan_for({0, 1, 2}, seconds(1, 0, 0), 10);
  const Links links{.latency_s = 1,
                    .bytes_per_s = 2,
                    .node = {0, 0, 1},
                    .in_node = {.latency_s = 0.5, .bytes_per_s = 20}};
  const Simulation s = simulate(lower(gpipe(3, 1), plan), plan, links);
  EXPECT_EQ(times_of(s, 1),
            "1RECV_F0 1-2\n1F0 2-3\n1SEND_F0 3-8\n1RECV_B0 10-16\n1B0 16-16\n1SEND_B0 16-16.5\n");
}

// Devices 0 and 1 stand behind one card, 2 and 3 behind another. Their sends to stages 2 and 3
// share the way, though they share no queue.
TEST(Cards, CarryOneTransferAtATimeInEachDirection) {
  StagePlan plan = plan_for({0, 1, 2, 3}, seconds(1, 0, 0));
  plan.channels = {{.from = 0, .to = 2, .bytes = 4},
                   {.from = 1, .to = 3, .bytes = 4},
                   {.from = 2, .to = 0, .bytes = 4, .phase = Phase::backward_input},
                   {.from = 3, .to = 1, .bytes = 4, .phase = Phase::backward_input}};
  Schedule compute = empty(plan.device, 4, 1);
  compute.devices = {
      {f(0, 0), b(0, 0)}, {f(1, 0), b(1, 0)}, {f(2, 0), b(2, 0)}, {f(3, 0), b(3, 0)}};
  const Schedule lowered = lower(compute, plan);
  const Simulation own = simulate(lowered, plan, {.bytes_per_s = 1});
  EXPECT_EQ(times_of(own, 1), "1F0 0-1\n1SEND_F0>3 1-5\n1RECV_B0<3 6-10\n1B0 10-10\n");
  const Simulation shared = simulate(lowered, plan, {.bytes_per_s = 1, .card = {0, 0, 1, 1}});
  EXPECT_EQ(times_of(shared, 0), "0F0 0-1\n0SEND_F0>2 1-5\n0RECV_B0<2 6-10\n0B0 10-10\n");
  EXPECT_EQ(times_of(shared, 1), "1F0 0-1\n1SEND_F0>3 5-9\n1RECV_B0<3 10-14\n1B0 14-14\n");
  // Behind one card there is no card between them.
  const Simulation near = simulate(lowered, plan, {.bytes_per_s = 1, .card = {0, 0, 0, 0}});
  EXPECT_EQ(times_of(near, 1), times_of(own, 1));
  // Nor does what stays in a node pass one.
  const Simulation node = simulate(lowered, plan,
                                   {.bytes_per_s = 2,
                                    .node = {0, 0, 0, 0},
                                    .in_node = {.bytes_per_s = 1},
                                    .card = {0, 0, 1, 1}});
  EXPECT_EQ(times_of(node, 1), times_of(own, 1));
}

// 0 and 1 send to 2 and 3 behind one card; 4 sends to 3 from elsewhere while the card is taken. It
// asked after 1, but 1 cannot go, so it goes first.
TEST(Cards, WhoCanGoDoesNotStandBehindWhoCannot) {
  StagePlan plan = plan_for({0, 1, 2, 3, 4}, seconds(1, 0, 0));
  plan.cost[4].forward_s = 2;
  plan.channels = {{.from = 0, .to = 2, .bytes = 8},
                   {.from = 1, .to = 3, .bytes = 4},
                   {.from = 4, .to = 3, .bytes = 2}};
  Schedule compute = empty(plan.device, 5, 1);
  compute.devices = {{f(0, 0), b(0, 0)},
                     {f(1, 0), b(1, 0)},
                     {f(2, 0), b(2, 0)},
                     {f(3, 0), b(3, 0)},
                     {f(4, 0), b(4, 0)}};
  const Simulation s =
      simulate(lower(compute, plan), plan, {.bytes_per_s = 1, .card = {0, 0, 1, 1, 1}});
  EXPECT_EQ(times_of(s, 0), "0F0 0-1\n0SEND_F0>2 1-9\n0B0 1-1\n");
  EXPECT_EQ(times_of(s, 4), "4F0 0-2\n4SEND_F0>3 2-4\n4B0 2-2\n");
  EXPECT_EQ(times_of(s, 1), "1F0 0-1\n1SEND_F0>3 9-13\n1B0 1-1\n");
}

TEST(Speed, DividesTheSecondsOfADevice) {
  StagePlan plan = plan_for({0, 1}, seconds(1, 1, 2));
  plan.cost[0].update_s = plan.cost[1].update_s = 0.5;
  const Simulation s =
      simulate(lower(gpipe(2, 1), plan), plan, {.send_when_ready = true}, {.speed = {1, 2}});
  EXPECT_EQ(times_of(s, 1), "1RECV_F0 1-1\n1F0 1-1.5\n1B0 1.5-3\n1SEND_B0 2-2\n");
  EXPECT_EQ(times_of(s, 0), "0F0 0-1\n0SEND_F0 1-1\n0RECV_B0 2-2\n0B0 2-5\n");
  EXPECT_EQ(s.update[0].start_s, 5);
  EXPECT_EQ(s.update[0].end_s, 5.5);
  EXPECT_EQ(s.update[1].end_s, 3.25);
  EXPECT_EQ(s.makespan_s, 5);
  EXPECT_EQ(s.step_s, 5.5);
}

TEST(Idle, WarmUpDataLinkAndDrain) {
  const StagePlan plan = plan_for({0, 1}, seconds(1, 2, 4), 8);
  const Simulation s =
      simulate(lower(gpipe(2, 2), plan), plan, {.latency_s = 0.25, .bytes_per_s = 4});
  // Device 0 is through with its forwards at 2; the gradient is made at 12.25 and here at 14.5.
  EXPECT_EQ(s.idle[0].warm_up_s, 0);
  EXPECT_EQ(s.idle[0].data_s, 10.25);
  EXPECT_EQ(s.idle[0].link_s, 2.25);
  EXPECT_EQ(s.idle[0].drain_s, 0);
  // Device 1 gets its first input at 3.25, the second a second too late, through the link.
  EXPECT_EQ(s.idle[1].warm_up_s, 3.25);
  EXPECT_EQ(s.idle[1].data_s, 0);
  EXPECT_EQ(s.idle[1].link_s, 1);
  EXPECT_EQ(s.idle[1].drain_s, 8.25);
}

TEST(Idle, AddsUpWithBusyTime) {
  std::mt19937 random(11);
  const auto draw = [&](int high) { return static_cast<int>(random() % high); };
  for (int n = 0; n < 100; ++n) {
    const int devices = 1 + draw(4), stages = devices + draw(3), m = 1 + draw(4);
    std::vector<int> device(stages), card(devices);
    for (int s = 0; s < stages; ++s) device[s] = s < devices ? s : draw(devices);
    for (int& c : card) c = draw(2);
    StagePlan plan = plan_for(device, StageCost{});
    for (StageCost& c : plan.cost) {
      c = seconds(draw(16) / 4.0, draw(16) / 4.0, draw(16) / 4.0);
      c.parameter_bytes = draw(32);
      c.gradient_bytes = draw(32);
    }
    for (Channel& c : plan.channels) c.bytes = draw(32);
    const Machine machine{.data_parallel = {.replicas = 4,
                                            .sharding = static_cast<Sharding>(draw(3)),
                                            .regather = static_cast<Regather>(draw(2)),
                                            .link = {.latency_s = 0.25, .bytes_per_s = 8}}};
    const Schedule lowered =
        lower(add_collectives(random_schedule(plan, m, random), machine.data_parallel), plan);
    const Simulation s =
        simulate(lowered, plan, {.latency_s = 0.5, .bytes_per_s = 8, .card = card}, machine);
    double end = 0;
    for (const auto& timeline : s.timeline)
      for (const ActionTime& t : timeline)
        if (is_compute(t.action.kind)) end = std::max(end, t.end_s);
    for (int d = 0; d < devices; ++d) {
      const Idle& idle = s.idle[d];
      ASSERT_NEAR(
          s.busy_s[d] + idle.warm_up_s + idle.data_s + idle.link_s + idle.gather_s + idle.drain_s,
          end, 1e-9)
          << "case " << n << ", device " << d << "\n"
          << to_csv(lowered);
      ASSERT_GE(s.step_s, end);
    }
  }
}

}  // namespace
}  // namespace headrace
