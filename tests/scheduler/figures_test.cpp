// Makespans, spans and peaks that are published or can be worked out by hand.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "scheduler/lower.h"
#include "scheduler/simulate.h"
#include "scheduler/validate.h"
#include "tests/scheduler/generators.h"
#include "tests/scheduler/naive_simulator.h"

namespace headrace {
namespace {

using namespace headrace::testing;

Simulation run(const Schedule& compute, const StagePlan& plan, double latency_s) {
  validate(compute, plan, "test");
  const Schedule lowered = lower(compute, plan);
  validate(lowered, plan, "test");
  return simulate(lowered, plan, {.latency_s = latency_s});
}

// Four devices, eight micro-batches, F = I = W = 1 per device.
struct Figure {
  const char* name;
  Schedule schedule;
  int v;
  double makespan, makespan_half;  // latency 0 and 0.5
  double span, span_half;          // 0: not given
  std::vector<int> peak;
};

std::vector<Figure> figures() {
  return {
      {"gpipe", gpipe(4, 8), 1, 33, 36, 0, 0, {8, 8, 8, 8}},
      {"1f1b", one_f_one_b(4, 8), 1, 33, 41, 0, 0, {4, 3, 2, 1}},
      {"zb-h1", zero_bubble(4, 8, 1), 1, 27, 33, 0, 0, {4, 3, 2, 1}},
      {"zb-h2", zero_bubble(4, 8, 2), 1, 27, 28.5, 24, 27, {7, 5, 3, 1}},
      {"interleaved v=2", interleaved(4, 2, 8), 2, 28.5, 35.5, 0, 0, {11, 9, 7, 5}},
      {"breadth-first v=2", breadth_first(4, 2, 8), 2, 28.5, 31.5, 0, 0, {16, 16, 16, 16}},
      {"breadth-first v=4", breadth_first(4, 4, 8), 4, 26.25, 32.25, 0, 0, {32, 32, 32, 32}},
  };
}

TEST(Figures, MakespansSpansAndPeaksByHand) {
  for (const Figure& figure : figures()) {
    SCOPED_TRACE(figure.name);
    const StagePlan plan = looped_plan(4, figure.v, 1, 1, 1);
    const Simulation none = run(figure.schedule, plan, 0);
    const Simulation half = run(figure.schedule, plan, 0.5);
    EXPECT_EQ(none.makespan_s, figure.makespan);
    EXPECT_EQ(half.makespan_s, figure.makespan_half);
    if (figure.span > 0) {
      EXPECT_EQ(none.span_s, figure.span);
      EXPECT_EQ(half.span_s, figure.span_half);
    }
    EXPECT_EQ(none.peak_activations, figure.peak);
    EXPECT_EQ(none.busy_s, std::vector<double>(4, 24));
    EXPECT_EQ(none.bubble_makespan, (figure.makespan - 24) / figure.makespan);
  }
}

TEST(Figures, BreadthFirstClosedFormWithLatency) {
  std::mt19937 random(20);
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random() % (high - low + 1));
  };
  for (int n = 0; n < 1000; ++n) {
    const int p = draw(1, 6), v = draw(1, 4), m = p + draw(0, 8);
    const double forward = draw(1, 64) / 16.0, input = draw(1, 64) / 16.0,
                 weight = draw(1, 64) / 16.0;
    // One device sends nothing.
    const double c = p == 1 ? 0 : draw(0, 128) / 16.0;
    const double backward = input + weight;
    const double expected = (m * v + p - 1) * (forward + backward) + 2 * (p - 1) * c +
                            (v - 1) * (std::max(0.0, p * c - (m - p) * forward) +
                                       std::max(0.0, p * c - (m - p) * backward));
    const StagePlan plan = looped_plan(p, v, forward * v, input * v, weight * v);
    ASSERT_EQ(simulate(lower(breadth_first(p, v, m), plan), plan, {.latency_s = c}).makespan_s,
              expected)
        << "p " << p << " v " << v << " m " << m << " F " << forward << " I " << input << " W "
        << weight << " c " << c;
  }
}

TEST(Figures, OneFOneBClosedFormForSmallLatency) {
  for (const int p : {2, 3, 4, 6, 8})
    for (const int rounds : {1, 2, 3, 5}) {
      const int m = p * rounds;
      for (const double c : {0.0, 0.0625, 0.125}) {
        const StagePlan plan = looped_plan(p, 1, 1, 1.5, 0.75);
        const double expected = (m + p - 1) * 3.25 + (2.0 * (p - 1) * m / p + 2 * (p - 2)) * c;
        EXPECT_EQ(run(one_f_one_b(p, m), plan, c).makespan_s, expected)
            << "p " << p << " m " << m << " c " << c;
      }
    }
}

TEST(Figures, ZeroBubbleClosedFormsForSmallLatency) {
  const int p = 4, m = 12;
  const double forward = 1, input = 1.25, weight = 0.75, t = forward + input + weight;
  const StagePlan plan = looped_plan(p, 1, forward, input, weight);
  for (const double c : {0.0, 0.0625}) {
    EXPECT_EQ(run(zero_bubble(p, m, 1), plan, c).span_s,
              m * t + (p - 1) * (forward + input - weight) + 4 * (p - 1) * c);
    EXPECT_EQ(run(zero_bubble(p, m, 2), plan, c).span_s,
              m * t + (p - 1) * (forward + input - 2 * weight) + 2 * (p - 1) * c);
  }
}

// Zero Bubble (arXiv 2401.10241), tables 5 and 9: eight devices, milliseconds.
TEST(Figures, PublishedBubbleRates) {
  struct Row {
    int m;
    double forward, input, weight, c;
    double rates[3];  // 1F1B, ZB-H1, ZB-H2
  };
  const Row rows[] = {{24, 18.522, 18.086, 9.337, 0.601, {.2431, .1585, .1083}},
                      {64, 18.546, 18.097, 9.321, 0.762, {.1240, .0674, .0444}},
                      {24, 29.718, 29.444, 19.927, 0.527, {.2347, .1323, .0698}},
                      {64, 29.935, 29.621, 19.388, 0.535, {.1091, .0554, .0294}}};
  for (const Row& row : rows) {
    const StagePlan plan = looped_plan(8, 1, row.forward, row.input, row.weight);
    const Schedule schedules[] = {one_f_one_b(8, row.m), zero_bubble(8, row.m, 1),
                                  zero_bubble(8, row.m, 2)};
    for (int n = 0; n < 3; ++n) {
      const double rate = run(schedules[n], plan, row.c).bubble_span;
      EXPECT_EQ(std::round(rate * 1e4), std::round(row.rates[n] * 1e4))
          << "schedule " << n << ", m " << row.m << ", F " << row.forward << ": " << rate;
    }
  }
}

// What queues of their own and receives that are posted early are worth: four devices, eight
// micro-batches, F = 1 and B = 2 per stage.
TEST(Figures, WhatBlockingReceivesAndOneQueueWouldCost) {
  const StagePlan one = looped_plan(4, 1, 1, 1, 1), two = looped_plan(4, 2, 2, 2, 2);
  const Schedule f1b1 = lower(one_f_one_b(4, 8), one), bf = lower(breadth_first(4, 2, 8), two);
  const Links links;
  EXPECT_EQ(simulate(f1b1, one, links).makespan_s, 33);
  EXPECT_EQ(simulate(bf, two, links).makespan_s, 57);
  EXPECT_EQ(NaiveSimulator(f1b1, one, links).makespan(), 33);
  EXPECT_EQ(NaiveSimulator(bf, two, links).makespan(), 57);
  const NaiveRules blocking{.receives_block_compute = true};
  EXPECT_EQ(NaiveSimulator(f1b1, one, links, blocking).makespan(), 45);
  EXPECT_EQ(NaiveSimulator(bf, two, links, blocking).makespan(), 87);
  EXPECT_EQ(NaiveSimulator(bf, two, links, {.one_queue = true}).makespan(), 73);
}

}  // namespace
}  // namespace headrace
