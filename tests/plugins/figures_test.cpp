// Makespans, spans, peaks and bubble rates that are published or can be worked out by hand, of the
// plugins as they are loaded.

#include <cmath>
#include <random>

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

// Zero Bubble (arXiv 2401.10241), tables 5 and 9: eight devices, milliseconds.
struct Row {
  int m;
  Times times;
  double one_f_one_b, h1, h2, search_1p, search_2p;
};
const Row kRows[] = {{24, {18.522, 18.086, 9.337, 0.601}, .2431, .1585, .1083, .1585, .0433},
                     {64, {18.546, 18.097, 9.321, 0.762}, .1240, .0674, .0444, .0674, .0026},
                     {24, {29.718, 29.444, 19.927, 0.527}, .2347, .1323, .0698, .1323, .0029},
                     {64, {29.935, 29.621, 19.388, 0.535}, .1091, .0554, .0294, .0554, .0010}};

TEST(Figures, PublishedBubbleRates) {
  for (const Row& row : kRows)
    for (const auto& [name, rate] : {std::pair("1f1b", row.one_f_one_b), std::pair("zb-h1", row.h1),
                                     std::pair("zb-h2", row.h2)}) {
      const double ours = play(make(name, 8, 1, row.m), row.times).bubble_span;
      EXPECT_EQ(std::round(ours * 1e4), std::round(rate * 1e4))
          << name << ", m " << row.m << ", F " << row.times.forward << ": " << ours;
    }
}

// Their search, with one and with two micro-batches per device as the limit.
TEST(Figures, PublishedBubbleRatesOfTheSearch) {
  for (const Row& row : kRows)
    for (const auto& [limit, rate] :
         {std::pair("8", row.search_1p), std::pair("16", row.search_2p)}) {
      const Schedule schedule = make("zb-search", 8, 1, row.m, {{"limit", limit}}, row.times);
      EXPECT_LE(play(schedule, row.times).bubble_span, rate + 0.00005)
          << "limit " << limit << ", m " << row.m << ", F " << row.times.forward;
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
