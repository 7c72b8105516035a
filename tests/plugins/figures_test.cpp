// Makespans, spans, peaks and bubble rates that are published or can be worked out by hand, of the
// plugins as they are loaded.

#include <cmath>
#include <random>
#include <string>

#include "tests/plugins/schedules.h"

namespace headrace {
namespace {

using namespace headrace::testing;

// Four devices, eight micro-batches, F = I = W = 1 per device; latency 0 and 0.5.
TEST(Figures, ByHand) {
  const struct {
    const char* name;
    int stages_per_device;
    double makespan, makespan_half, span, span_half;
    std::vector<int> peak;
  } figures[] = {{"gpipe", 1, 33, 36, 33, 36, {8, 8, 8, 8}},
                 {"1f1b", 1, 33, 41, 33, 41, {4, 3, 2, 1}},
                 {"zb-h1", 1, 27, 33, 27, 33, {4, 3, 2, 1}},
                 {"zb-h2", 1, 27, 28.5, 24, 27, {7, 5, 3, 1}},
                 {"interleaved", 2, 28.5, 35.5, 28.5, 35.5, {11, 9, 7, 5}},
                 {"breadth-first", 2, 28.5, 31.5, 28.5, 31.5, {16, 16, 16, 16}},
                 {"breadth-first", 4, 26.25, 32.25, 26.25, 32.25, {32, 32, 32, 32}},
                 {"hybrid", 2, 28.5, 31.5, 28.5, 31.5, {16, 16, 16, 16}}};
  for (const auto& figure : figures) {
    SCOPED_TRACE(figure.name);
    const Schedule schedule = make(figure.name, 4, figure.stages_per_device, 8);
    const Simulation none = play(schedule, {}), half = play(schedule, {.latency = 0.5});
    EXPECT_EQ(none.makespan_s, figure.makespan);
    EXPECT_EQ(half.makespan_s, figure.makespan_half);
    EXPECT_EQ(none.span_s, figure.span);
    EXPECT_EQ(half.span_s, figure.span_half);
    EXPECT_EQ(none.peak_activations, figure.peak);
  }
}

// Zero Bubble (arXiv 2401.10241), tables 5 and 9, milliseconds: their models of 1.5, 6.2, 14.6 and
// 28.3 billion parameters.
struct Row {
  int p, m;
  Times times;
  double one_f_one_b, h1, h2, search_1p, search_2p;
};
const Row kRows[] = {{8, 24, {18.522, 18.086, 9.337, 0.601}, .2431, .1585, .1083, .1585, .0433},
                     {8, 32, {18.513, 18.086, 9.331, 0.626}, .1985, .1242, .0837, .1242, .0039},
                     {8, 64, {18.546, 18.097, 9.321, 0.762}, .1240, .0674, .0444, .0674, .0026},
                     {8, 24, {29.718, 29.444, 19.927, 0.527}, .2347, .1323, .0698, .1323, .0029},
                     {8, 32, {29.802, 29.428, 19.530, 0.577}, .1898, .1045, .0559, .1045, .0022},
                     {8, 64, {29.935, 29.621, 19.388, 0.535}, .1091, .0554, .0294, .0554, .0010},
                     {16, 48, {11.347, 11.248, 8.132, 0.377}, .2552, .1397, .0672, .1397, .0066},
                     {16, 64, {11.307, 11.254, 8.101, 0.379}, .2082, .1088, .0516, .1088, .0054},
                     {16, 128, {11.325, 11.308, 8.109, 0.378}, .1251, .0576, .0266, .0576, .0028},
                     {32, 96, {10.419, 10.207, 7.715, 0.408}, .2646, .1421, .0641, .1421, .0038},
                     {32, 128, {10.408, 10.204, 7.703, 0.408}, .2168, .1106, .0490, .1106, .0029},
                     {32, 256, {10.402, 10.248, 7.698, 0.460}, .1352, .0594, .0257, .0594, .0018}};

TEST(Figures, PublishedBubbleRates) {
  for (const Row& row : kRows)
    for (const auto& [name, rate] : {std::pair("1f1b", row.one_f_one_b), std::pair("zb-h1", row.h1),
                                     std::pair("zb-h2", row.h2)}) {
      const double ours = play(make(name, row.p, 1, row.m), row.times).bubble_span;
      EXPECT_EQ(std::round(ours * 1e4), std::round(rate * 1e4))
          << name << ", m " << row.m << ", F " << row.times.forward << ": " << ours;
    }
}

// Their search, with one and with two micro-batches per device as the limit. Rows that take seconds
// are left out.
TEST(Figures, PublishedBubbleRatesOfTheSearch) {
  for (const Row& row : kRows) {
    if (row.p * row.m > 1024) continue;
    for (const auto& [limit, rate] :
         {std::pair(row.p, row.search_1p), std::pair(2 * row.p, row.search_2p)}) {
      const Schedule schedule =
          make("zb-search", row.p, 1, row.m, {{"limit", std::to_string(limit)}}, row.times);
      EXPECT_LE(play(schedule, row.times).bubble_span, rate + 0.00005)
          << "limit " << limit << ", m " << row.m << ", F " << row.times.forward;
    }
  }
}

TEST(Figures, BreadthFirstClosedFormWithLatency) {
  std::mt19937 random(7);
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  const auto scheduler = PluginRegistry({kPlugins}).load_scheduler("breadth-first");
  for (int n = 0; n < 1000; ++n) {
    const int p = draw(1, 6), v = draw(1, 4), m = p + draw(0, 8);
    const double forward = draw(1, 64) / 16.0, input = draw(1, 64) / 16.0,
                 weight = draw(1, 64) / 16.0, c = p == 1 ? 0 : draw(0, 128) / 16.0;
    const double backward = input + weight;
    const double expected = (m * v + p - 1) * (forward + backward) + 2 * (p - 1) * c +
                            (v - 1) * (std::max(0.0, p * c - (m - p) * forward) +
                                       std::max(0.0, p * c - (m - p) * backward));
    const StagePlan plan =
        plan_for(scheduler->place(p, v, m),
                 {.forward_s = forward, .backward_input_s = input, .backward_weight_s = weight});
    const Schedule schedule = scheduler->schedule(request_for(plan, m, c));
    ASSERT_EQ(simulate(lower(schedule, plan), plan, {.latency_s = c}).makespan_s, expected)
        << "p " << p << " v " << v << " m " << m << " F " << forward << " I " << input << " W "
        << weight << " c " << c;
  }
}

}  // namespace
}  // namespace headrace
