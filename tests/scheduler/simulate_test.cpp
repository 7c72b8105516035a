#include "scheduler/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "graph/error.h"
#include "scheduler/lower.h"
#include "scheduler/scheduler.h"
#include "scheduler/text.h"
#include "tests/scheduler/generators.h"
#include "tests/scheduler/naive_simulator.h"
#include "tests/scheduler/times_of.h"

namespace headrace {
namespace {

using namespace headrace::testing;

StageCost cost(double forward, double input, double weight) {
  StageCost cost;
  cost.forward_s = forward;
  cost.backward_input_s = input;
  cost.backward_weight_s = weight;
  return cost;
}

TEST(Simulate, GivesEveryActionItsTimes) {
  const StagePlan plan = plan_for({0, 1}, cost(1, 2, 4), 8);
  const Schedule lowered = lower(gpipe(2, 2), plan);
  const Simulation s = simulate(lowered, plan, {.latency_s = 0.25, .bytes_per_s = 4});
  // A transfer holds its queues for two seconds, and another quarter passes until it is there.
  EXPECT_EQ(times_of(s, 0),
            "0F0 0-1\n0SEND_F0 1-3\n0F1 1-2\n0SEND_F1 3-5\n"
            "0RECV_B0 12.25-14.5\n0B0 14.5-20.5\n0RECV_B1 18.25-20.5\n0B1 20.5-26.5\n");
  EXPECT_EQ(times_of(s, 1),
            "1RECV_F0 1-3.25\n1F0 3.25-4.25\n1RECV_F1 3-5.25\n1F1 5.25-6.25\n"
            "1B0 6.25-12.25\n1SEND_B0 12.25-14.25\n1B1 12.25-18.25\n1SEND_B1 18.25-20.25\n");
  EXPECT_EQ(s.makespan_s, 26.5);
  EXPECT_EQ(s.span_s, 26.5);
  EXPECT_EQ(s.busy_s, (std::vector<double>{14, 14}));
  EXPECT_EQ(s.bubble_makespan, (26.5 - 14) / 26.5);
}

TEST(Simulate, GradientLeavesBeforeWWhenAsked) {
  const StagePlan plan = plan_for({0, 1}, cost(1, 2, 4));
  const Schedule lowered = lower(gpipe(2, 1), plan);
  EXPECT_EQ(simulate(lowered, plan, {}).makespan_s, 14);
  const Simulation s = simulate(lowered, plan, {.send_when_ready = true});
  EXPECT_EQ(times_of(s, 1), "1RECV_F0 1-1\n1F0 1-2\n1B0 2-8\n1SEND_B0 4-4\n");
  EXPECT_EQ(s.makespan_s, 10);
  // On one device the next stage's backward has to wait for the whole B all the same.
  const StagePlan one = plan_for({0, 0}, cost(1, 2, 4));
  EXPECT_EQ(simulate(breadth_first(1, 2, 1), one, {.send_when_ready = true}).makespan_s, 14);
}

// Stages 0 and 1 send to stage 2 at the same time; the first to ask goes first.
TEST(Simulate, OneReceiveQueuePerDevice) {
  StagePlan plan = plan_for({0, 1, 2}, cost(1, 0, 0));
  plan.cost[1].forward_s = 1.5;
  plan.channels = {{.from = 0, .to = 2, .bytes = 2}, {.from = 1, .to = 2, .bytes = 1}};
  Schedule s = empty(plan.device, 3, 1);
  s.devices = {{f(0, 0), b(0, 0)}, {f(1, 0), b(1, 0)}, {f(2, 0), b(2, 0)}};
  const Simulation result = simulate(lower(s, plan), plan, {.bytes_per_s = 1});
  EXPECT_EQ(times_of(result, 0), "0F0 0-1\n0SEND_F0>2 1-3\n0B0 1-1\n");
  EXPECT_EQ(times_of(result, 1), "1F0 0-1.5\n1SEND_F0 3-4\n1B0 1.5-1.5\n");
  EXPECT_EQ(times_of(result, 2), "2RECV_F0<0 1-3\n2RECV_F0 3-4\n2F0 4-5\n2B0 5-5\n");
}

TEST(Simulate, UnequalStagesCountTheBusiestDevice) {
  StagePlan plan = plan_for({0, 1}, cost(1, 1, 1));
  plan.cost[1] = cost(2, 2, 2);
  const Simulation s = simulate(lower(gpipe(2, 2), plan), plan, {});
  EXPECT_EQ(s.busy_s, (std::vector<double>{6, 12}));
  EXPECT_EQ(s.makespan_s, 15);
  EXPECT_EQ(s.span_s, 15);
  EXPECT_EQ(s.bubble_makespan, 0.2);
}

TEST(Simulate, PeaksOfActivationsAndStashes) {
  StagePlan plan = plan_for({0}, cost(1, 1, 1));
  plan.cost[0].activation_bytes = 100;
  plan.cost[0].weight_stash_bytes = 30;
  Schedule s = empty(plan.device, 1, 3);
  s.devices[0] = {f(0, 0), f(0, 1), i(0, 0), i(0, 1), f(0, 2), w(0, 0), b(0, 2), w(0, 1)};
  const Simulation result = simulate(s, plan, {});
  EXPECT_EQ(result.peak_activations, std::vector<int>{2});
  EXPECT_EQ(result.peak_weight_stash, std::vector<int>{2});
  EXPECT_EQ(result.peak_activation_bytes, std::vector<int64_t>{200});
  EXPECT_EQ(result.makespan_s, 9);
}

TEST(Simulate, OverlappedPairTakesBoth) {
  const StagePlan plan = plan_for({0}, cost(1, 2, 4));
  Schedule s = empty(plan.device, 1, 2);
  s.devices[0] = {f(0, 0), {ActionKind::overlap, 0, 1, -1, 0, 0}, b(0, 1)};
  const Simulation result = simulate(s, plan, {});
  EXPECT_EQ(times_of(result, 0), "0F0 0-1\n(0F1;0B0)OVERLAP_F_B 1-8\n0B1 8-14\n");
  EXPECT_EQ(result.peak_activations, std::vector<int>{2});
}

TEST(Simulate, TakesOnlyLoweredSchedulesThatRun) {
  const StagePlan plan = plan_for({0, 1}, cost(1, 1, 1));
  EXPECT_THROW(simulate(gpipe(2, 1), plan, {}), InternalError);
  Schedule stuck = lower(gpipe(2, 1), plan);
  std::swap(stuck.devices[1][0], stuck.devices[1][3]);  // reads, then sends what it has not made
  stuck.devices[0].erase(stuck.devices[0].begin() + 1);
  EXPECT_THROW(simulate(stuck, plan, {}), Error);
  Schedule wrong = gpipe(2, 1);
  wrong.devices[0][0].stage = 5;
  EXPECT_THROW(simulate(wrong, plan, {}), InternalError);
}

TEST(Simulate, AgreesWithPlainInequalities) {
  std::mt19937 random(7);
  const auto draw = [&](int high) { return static_cast<int>(random() % high); };
  for (int n = 0; n < 150; ++n) {
    // With a bandwidth only two devices, so that each has one sender.
    const bool bandwidth = n % 2 == 0;
    const int devices = bandwidth ? 2 : 2 + draw(3), stages = devices + draw(3), m = 1 + draw(4);
    std::vector<int> device(stages);
    for (int s = 0; s < stages; ++s) device[s] = s < devices ? s : draw(devices);
    StagePlan plan = plan_for(device, StageCost{});
    plan.channels.push_back({.from = 0, .to = stages - 1});
    plan.channels.push_back({.from = stages - 1, .to = 0, .phase = Phase::backward_input});
    for (StageCost& c : plan.cost) c = cost(draw(16) / 4.0, draw(16) / 4.0, draw(16) / 4.0);
    for (Channel& c : plan.channels) c.bytes = draw(32);
    const Links links{.latency_s = draw(8) / 4.0,
                      .bytes_per_s = bandwidth ? 8.0 : 0.0,
                      .send_when_ready = draw(2) == 1};
    const Schedule lowered = lower(random_schedule(plan, m, random), plan);
    NaiveSimulator naive(lowered, plan, links);
    naive.makespan();
    std::vector<std::pair<double, double>> times;
    for (const auto& timeline : simulate(lowered, plan, links).timeline)
      for (const ActionTime& t : timeline) times.emplace_back(t.start_s, t.end_s);
    ASSERT_EQ(times, naive.times()) << "case " << n << "\n" << to_csv(lowered);
  }
}

TEST(Request, TellsWhatThePlanSays) {
  StagePlan plan = plan_for(looped_placement(2, 2), cost(1, 2, 4));
  plan.cost[3].activation_bytes = 9;
  const ScheduleRequest request = request_for(plan, 5, 0.5);
  EXPECT_EQ(request.devices, 2);
  EXPECT_EQ(request.microbatches, 5);
  EXPECT_EQ(request.device_of_stage, (std::vector<int>{0, 1, 0, 1}));
  EXPECT_EQ(request.backward_weight_s, std::vector<double>(4, 4));
  EXPECT_EQ(request.activation_bytes, (std::vector<int64_t>{0, 0, 0, 9}));
  EXPECT_EQ(request.memory_limit_bytes, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(request.latency_s, 0.5);
}

}  // namespace
}  // namespace headrace
