// The search keeps its limits and is never worse than what is made by hand within them.

#include <random>

#include "scheduler/text.h"
#include "tests/plugins/schedules.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The most that each device holds: 1 from F to I, `stash` from I to W.
std::vector<double> held(const Schedule& schedule, double stash) {
  std::vector<double> peaks;
  for (const auto& actions : schedule.devices) {
    double now = 0, peak = 0;
    for (const Action& action : actions) {
      now += action.kind == ActionKind::forward          ? 1
             : action.kind == ActionKind::backward_input ? stash - 1
                                                         : -stash;
      peak = std::max(peak, now);
    }
    peaks.push_back(peak);
  }
  return peaks;
}

TEST(ZbSearch, IsNeverWorseThanTheHandmadeWithinTheSameMemory) {
  std::mt19937 random(11);
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  for (int n = 0; n < 40; ++n) {
    const int p = draw(1, 6), m = draw(1, 12);
    const Times times{draw(1, 40) / 8.0, draw(1, 40) / 8.0, draw(1, 40) / 8.0, draw(0, 8) / 8.0};
    for (const auto& [handmade, limit] : {std::pair("zb-h1", p), std::pair("zb-h2", 2 * p - 1)}) {
      SCOPED_TRACE(fmt::format("{} p={} m={}", handmade, p, m));
      const OptionValues options = {{"limit", std::to_string(limit)}, {"stash", "1"}};
      const Schedule found = make("zb-search", p, 1, m, options, times);
      const Simulation ours = play(found, times), theirs = play(make(handmade, p, 1, m), times);
      EXPECT_LE(ours.span_s, theirs.span_s * (1 + 1e-12));
      EXPECT_LE(ours.makespan_s, theirs.makespan_s * (1 + 1e-12));
      for (const double peak : held(found, 1)) EXPECT_LE(peak, limit);
    }
  }
}

TEST(ZbSearch, KeepsTheLimitOfEachDevice) {
  const Times times{2, 1.5, 1};
  const std::vector<double> limits = {3, 1, 2.5, 4};
  const OptionValues options = {{"limit", "3,1,2.5,4"}, {"stash", "0.25"}};
  const Schedule schedule = make("zb-search", 4, 1, 9, options, times);
  play(schedule, times);
  const std::vector<double> peaks = held(schedule, 0.25);
  for (size_t d = 0; d < limits.size(); ++d) EXPECT_LE(peaks[d], limits[d]);
}

TEST(ZbSearch, TakesLimitsInBytesFromTheRequest) {
  const auto scheduler = PluginRegistry({kPlugins}).load_scheduler("zb-search");
  StagePlan plan = plan_for(scheduler->place(3, 1, 8), share_of({}, 1));
  for (StageCost& cost : plan.cost) cost.activation_bytes = 100, cost.weight_stash_bytes = 40;
  ScheduleRequest request = request_for(plan, 8, 0);
  request.memory_limit_bytes = {300, 250, 100};
  const std::vector<double> peaks = held(scheduler->schedule(request), 0.4);
  for (size_t d = 0; d < peaks.size(); ++d)
    EXPECT_LE(100 * peaks[d], static_cast<double>(request.memory_limit_bytes[d]) + 1e-6);
  EXPECT_GT(peaks[0], 2);
  request.memory_limit_bytes[1] = 99;
  EXPECT_THAT(
      error_of([&] { scheduler->schedule(request); }),
      AllOf(HasSubstr("device 1 may hold 99 bytes"), HasSubstr("one micro-batch takes 100")));
}

TEST(ZbSearch, OneMicrobatchAtATimeIsTheLeastThatRuns) {
  EXPECT_EQ(to_csv(make("zb-search", 2, 1, 2, {{"limit", "1"}, {"stash", "1"}})),
            "0F0,0I0,0W0,0F1,0I1,0W1\n1F0,1I0,1W0,1F1,1I1,1W1\n");
}

TEST(ZbSearch, RefusesLimitsThatAreNone) {
  const auto refusal = [](const char* limit) {
    return error_of([&] { make("zb-search", 3, 1, 4, {{"limit", limit}}); });
  };
  EXPECT_THAT(refusal("8,8"), HasSubstr("2 numbers for 3 devices"));
  for (const char* limit : {"many", "0", "0.5", "nan", "8x", "8,,8", "1e999"})
    EXPECT_THAT(refusal(limit), HasSubstr("not a number of micro-batches, 1 or more")) << limit;
}

}  // namespace
}  // namespace headrace
