// Gathers and reductions among replicas: where they stand, what they take, what they hold.

#include "scheduler/data_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/lower.h"
#include "scheduler/memory.h"
#include "scheduler/text.h"
#include "scheduler/validate.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::ElementsAre;

std::string row(const Schedule& schedule, int device) {
  std::string text;
  for (const Action& action : schedule.devices[device])
    text += (text.empty() ? "" : " ") + to_string(action);
  return text;
}

int count(const Schedule& schedule, int device, ActionKind kind) {
  return static_cast<int>(std::ranges::count(schedule.devices[device], kind, &Action::kind));
}

StageCost cost() {
  StageCost cost;
  cost.forward_s = cost.backward_input_s = cost.backward_weight_s = 1;
  cost.parameter_bytes = 80;
  cost.gradient_bytes = 40;
  cost.optimizer_bytes = 160;
  cost.activation_bytes = 7;
  cost.weight_stash_bytes = 3;
  return cost;
}

TEST(Collectives, RingTimes) {
  DataParallel four{.replicas = 4, .link = {.latency_s = 1, .bytes_per_s = 10}};
  EXPECT_EQ(four.gather_s(cost()), 3 * 1 + 60 / 10.0);
  EXPECT_EQ(four.reduce_s(cost()), 2 * (3 * 1 + 30 / 10.0));
  four.sharding = Sharding::gradients;
  EXPECT_EQ(four.reduce_s(cost()), 3 * 1 + 30 / 10.0);
  EXPECT_EQ(four.shard(10), 3);
  EXPECT_EQ(DataParallel{}.gather_s(cost()), 0);
}

TEST(Collectives, WithoutShardingOneReductionPerStage) {
  const Schedule compute = breadth_first(1, 2, 2);
  EXPECT_EQ(row(add_collectives(compute, {.replicas = 2}), 0),
            "0F0 0F1 1F0 1F1 1B0 1B1 1REDUCE_GRAD 0B0 0B1 0REDUCE_GRAD");
  EXPECT_EQ(row(add_collectives(compute, {}), 0), "0F0 0F1 1F0 1F1 1B0 1B1 0B0 0B1");
  EXPECT_EQ(row(add_collectives(zero_bubble(1, 2, 1), {.replicas = 2}), 0),
            "0F0 0I0 0W0 0F1 0I1 0W1 0REDUCE_GRAD");
}

TEST(Collectives, ShardedGradientsBringUpdatedParametersTogetherOnce) {
  EXPECT_EQ(
      row(add_collectives(breadth_first(1, 2, 2), {.replicas = 2, .sharding = Sharding::gradients}),
          0),
      "0UNSHARD 1UNSHARD 0F0 0F1 1F0 1F1 1B0 1B1 1REDUCE_GRAD 0B0 0B1 0REDUCE_GRAD");
}

// The last stage's forward and backward share one gather; each gather is asked for one run ahead.
TEST(Collectives, BreadthFirstGathersAStageOncePerPass) {
  EXPECT_EQ(
      row(add_collectives(breadth_first(1, 2, 2), {.replicas = 2, .sharding = Sharding::weights}),
          0),
      "0UNSHARD 1UNSHARD 0F0 0F1 0RESHARD 0UNSHARD 1F0 1F1 1B0 1B1 1RESHARD 1REDUCE_GRAD "
      "0B0 0B1 0RESHARD 0REDUCE_GRAD");
}

// What the schedules' design says of the number of gathers and reductions, per device.
TEST(Collectives, CountsPerSchedule) {
  const int p = 4, v = 2, m = 16;
  const DataParallel weights{.replicas = 2, .sharding = Sharding::weights};
  const Schedule breadth = add_collectives(breadth_first(p, v, m), weights);
  const Schedule depth = add_collectives(interleaved(p, v, m), weights);
  DataParallel layers = weights;
  layers.regather = Regather::microbatch;
  const Schedule one = add_collectives(one_f_one_b(p, m), layers);
  for (int d = 0; d < p; ++d) {
    EXPECT_EQ(count(breadth, d, ActionKind::unshard), 2 * v - 1);
    EXPECT_EQ(count(breadth, d, ActionKind::reduce_grad), v);
    // Once per group of p micro-batches; a backward can go on with what its forward gathered.
    EXPECT_EQ(count(depth, d, ActionKind::reduce_grad), v * m / p);
    EXPECT_LE(count(depth, d, ActionKind::unshard), 2 * v * m / p);
    EXPECT_GT(count(depth, d, ActionKind::unshard), v * m / p);
    EXPECT_EQ(count(one, d, ActionKind::unshard), 2 * m);
    EXPECT_EQ(count(one, d, ActionKind::reshard), 2 * m);
    EXPECT_EQ(count(one, d, ActionKind::reduce_grad), m);
  }
}

TEST(Collectives, OverlapWithComputeAndHoldUpWhoReads) {
  const StagePlan plan = plan_for({0, 0}, cost());
  const Machine machine{
      .data_parallel = {.replicas = 2, .sharding = Sharding::weights, .link = {.bytes_per_s = 40}}};
  const Schedule schedule = add_collectives(breadth_first(1, 2, 2), machine.data_parallel);
  validate(schedule, plan, "test");
  const Simulation s = simulate(schedule, plan, {}, machine);
  std::string text;
  for (const ActionTime& t : s.timeline[0])
    text += fmt::format("{} {}-{}\n", to_string(t.action), t.start_s, t.end_s);
  EXPECT_EQ(text,
            "0UNSHARD 0-1\n1UNSHARD 1-2\n0F0 1-2\n0F1 2-3\n0RESHARD 3-3\n0UNSHARD 3-4\n"
            "1F0 3-4\n1F1 4-5\n1B0 5-7\n1B1 7-9\n1RESHARD 9-9\n1REDUCE_GRAD 9-9.5\n"
            "0B0 9-11\n0B1 11-13\n0RESHARD 13-13\n0REDUCE_GRAD 13-13.5\n");
  EXPECT_EQ(s.idle[0].gather_s, 1);
  EXPECT_EQ(s.busy_s[0], 12);
  EXPECT_EQ(s.makespan_s, 12);
  EXPECT_EQ(s.step_s, 13.5);
}

std::string curve_text(const std::vector<MemoryPoint>& curve) {
  std::string text;
  for (const MemoryPoint& p : curve)
    text += fmt::format("{}: {} {} {} {} {}\n", p.time_s, p.activations, p.weight_stash,
                        p.parameters, p.gradients, p.optimizer);
  return text;
}

TEST(Memory, WithoutShardingOnlyActivationsMove) {
  const StagePlan plan = plan_for({0}, cost());
  Schedule schedule = empty(plan.device, 1, 2);
  schedule.devices[0] = {f(0, 0), i(0, 0), f(0, 1), w(0, 0), b(0, 1)};
  const Simulation s = simulate(schedule, plan, {});
  EXPECT_EQ(curve_text(memory_curve(s.timeline[0], 0, plan, {})),
            "0: 7 0 80 40 160\n2: 7 3 80 40 160\n4: 7 0 80 40 160\n6: 0 0 80 40 160\n");
  EXPECT_EQ(s.peak_memory[0].bytes, 290);
  EXPECT_EQ(s.peak_memory[0].time_s, 2);
}

TEST(Memory, ShardedStateLivesByParts) {
  const StagePlan plan = plan_for({0, 0}, cost());
  DataParallel two{.replicas = 2, .sharding = Sharding::gradients, .link = {.bytes_per_s = 40}};
  const auto curve = [&] {
    const Schedule schedule = add_collectives(breadth_first(1, 2, 1), two);
    const Simulation s = simulate(schedule, plan, {}, {.data_parallel = two});
    return curve_text(memory_curve(s.timeline[0], 0, plan, two));
  };
  // Two stages: 160 parameters whole, 40 of 80 gradients and 160 of 320 of the optimizer.
  EXPECT_EQ(curve(),
            "0: 0 0 160 40 160\n1: 7 0 160 40 160\n2: 14 0 160 40 160\n3: 14 0 160 80 160\n"
            "5: 7 0 160 120 160\n5.5: 7 0 160 80 160\n7: 0 0 160 80 160\n7.5: 0 0 160 40 160\n");
  two.sharding = Sharding::weights;
  EXPECT_EQ(curve(),
            "0: 0 0 160 40 160\n1: 7 0 240 40 160\n2: 14 0 240 40 160\n3: 14 0 240 80 160\n"
            "5: 7 0 160 120 160\n5.5: 7 0 160 80 160\n7: 0 0 80 80 160\n7.5: 0 0 80 40 160\n");
  two.regather = Regather::microbatch;
  two.layers_per_stage = 8;
  EXPECT_EQ(two.together(80), 10);
}

}  // namespace
}  // namespace headrace
