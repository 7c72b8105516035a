#include "scheduler/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::gpipe;
using testing::one_f_one_b;

TEST(InFlight, IsWhatTheOrderHolds) {
  EXPECT_THAT(in_flight_of_stages(one_f_one_b(4, 8), 4), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(in_flight_of_stages(one_f_one_b(4, 2), 4), ElementsAre(2, 2, 2, 1));
  EXPECT_THAT(in_flight_of_stages(gpipe(3, 5), 3), Each(5));
}

TEST(InFlight, OfAnOverlapTheForwardComesFirst) {
  Schedule schedule{.stages = 1, .microbatches = 2, .device_of_stage = {0}, .devices = {}};
  schedule.devices = {
      {{.kind = ActionKind::forward, .microbatch = 0},
       {.kind = ActionKind::overlap, .microbatch = 1, .other_stage = 0, .other_microbatch = 0},
       {.kind = ActionKind::backward, .microbatch = 1}}};
  EXPECT_THAT(in_flight_of_stages(schedule, 1), ElementsAre(2));
}

}  // namespace
}  // namespace headrace
