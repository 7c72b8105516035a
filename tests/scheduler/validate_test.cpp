#include "scheduler/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <tuple>
#include <utility>

#include "graph/error.h"
#include "scheduler/data_parallel.h"
#include "scheduler/lower.h"
#include "scheduler/text.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const Schedule& schedule, const StagePlan& plan) {
  try {
    validate(schedule, plan, "demo");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class Validate : public ::testing::Test {
 protected:
  const StagePlan plan_ = looped_plan(2, 1, 1, 1, 1);
  Schedule compute_ = one_f_one_b(2, 2);  // 0F0 0F1 0B0 0B1 / 1F0 1B0 1F1 1B1
  Schedule lowered_ = lower(compute_, plan_);

  std::string error() const { return error_of(compute_, plan_); }
  std::string lowered_error() const { return error_of(lowered_, plan_); }
  static int find(const std::vector<Action>& list, const char* text) {
    for (size_t n = 0; n < list.size(); ++n)
      if (to_string(list[n]) == text) return static_cast<int>(n);
    throw Error("no {}", text);
  }
  void swap_lowered(int device, const char* a, const char* b) {
    auto& list = lowered_.devices[device];
    std::swap(list[find(list, a)], list[find(list, b)]);
  }
  void erase_lowered(int device, const char* text) {
    auto& list = lowered_.devices[device];
    list.erase(list.begin() + find(list, text));
  }
};

TEST_F(Validate, AcceptsWholeSchedules) {
  EXPECT_EQ(error(), "no error");
  EXPECT_EQ(lowered_error(), "no error");
  compute_.devices[0] = {f(0, 0), f(0, 1), i(0, 0), i(0, 1), w(0, 1), w(0, 0)};
  EXPECT_EQ(error(), "no error");
}

// Collectives of both devices around the same actions.
class ValidateCollectives : public Validate {
 protected:
  void read(const char* csv) { compute_ = parse_csv(csv, "demo"); }
};

TEST_F(ValidateCollectives, AcceptsWhatStandsWhereItIsNeeded) {
  read(
      "0UNSHARD,0F0,0F1,0RESHARD,0UNSHARD,0B0,0REDUCE_GRAD,0B1,0RESHARD,0REDUCE_GRAD\n"
      "1F0,1I0,1F1,1I1,1W0,1W1,1REDUCE_GRAD\n");
  EXPECT_EQ(error(), "no error");
  // The next gather is asked for while one is in use; W reads no parameters.
  read(
      "0UNSHARD,0UNSHARD,0F0,0RESHARD,0F1,0B0,0B1,0RESHARD\n"
      "1UNSHARD,1F0,1I0,1F1,1I1,1RESHARD,1W0,1W1\n");
  EXPECT_EQ(error(), "no error");
}

TEST_F(ValidateCollectives, AcceptsWhatWeAdd) {
  for (const Sharding sharding : {Sharding::none, Sharding::gradients, Sharding::weights})
    for (const Regather regather : {Regather::stage, Regather::microbatch}) {
      const DataParallel data_parallel = {
          .replicas = 4, .sharding = sharding, .regather = regather};
      for (const auto& [p, v, m] : {std::tuple{1, 1, 1}, {1, 2, 3}, {2, 2, 4}, {4, 1, 8}}) {
        const StagePlan plan = looped_plan(p, v, 1, 1, 1);
        for (const Schedule& schedule : {breadth_first(p, v, m), interleaved(p, v, m)}) {
          const Schedule whole = add_collectives(schedule, data_parallel);
          EXPECT_EQ(error_of(whole, plan), "no error");
          EXPECT_EQ(error_of(lower(whole, plan), plan), "no error");
        }
      }
    }
}

TEST_F(ValidateCollectives, ReadingWhatIsNotGathered) {
  read("0F0,0UNSHARD,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n");
  EXPECT_EQ(error(),
            "demo: stage 0, micro-batch 0: 0F0 reads parameters that no UNSHARD before it "
            "gathers\n"
            "device 0 | [0F0]    0UNSHARD 0F1      0B0      .        0B1\n"
            "device 1 | .        1F0      1B0      1F1      1B1      .\n");
  read("0UNSHARD,0F0,0F1,0RESHARD,0B0,0B1\n1F0,1B0,1F1,1B1\n");
  EXPECT_EQ(error(),
            "demo: stage 0, micro-batch 0: 0B0 reads parameters behind RESHARD and before "
            "UNSHARD\n"
            "device 0 | 0UNSHARD   0F0        0F1        [0RESHARD] [0B0]      .          0B1\n"
            "device 1 | .          .          1F0        1B0        1F1        1B1        .\n");
}

TEST_F(ValidateCollectives, GatheringTwiceOrForNothing) {
  read("0UNSHARD,0UNSHARD,0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n");
  EXPECT_THAT(error(), StartsWith("demo: stage 0: 0UNSHARD stands twice with no RESHARD between\n"
                                  "device 0 | [0UNSHARD] [0UNSHARD] 0F0 "));
  read("0UNSHARD,0F0,0F1,0B0,0B1,0RESHARD,0UNSHARD\n1F0,1B0,1F1,1B1\n");
  EXPECT_THAT(error(),
              StartsWith("demo: stage 0: 0UNSHARD gathers what nothing reads behind it\n"));
  read("0UNSHARD,0RESHARD,0UNSHARD,0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n");
  EXPECT_THAT(error(), StartsWith("demo: stage 0: 0RESHARD gives back what nothing has read since "
                                  "its UNSHARD\ndevice 0 | [0UNSHARD] [0RESHARD]"));
  read("0UNSHARD,0F0,0F1,0B0,0B1,0RESHARD,0RESHARD\n1F0,1B0,1F1,1B1\n");
  EXPECT_THAT(
      error(),
      StartsWith("demo: stage 0: 0RESHARD stands where nothing of the stage is gathered\n"));
}

TEST_F(ValidateCollectives, ReducingTooSoonTwiceOrNotAtAll) {
  read("0F0,0F1,0B0,0REDUCE_GRAD,0B1\n1F0,1B0,1F1,1B1,1REDUCE_GRAD\n");
  EXPECT_EQ(error(),
            "demo: stage 0, micro-batch 1: 0B1 stands behind the last REDUCE_GRAD of its stage\n"
            "device 0 | 0F0            0F1            .              0B0            "
            "[0REDUCE_GRAD] [0B1]\n"
            "device 1 | .              1F0            1B0            1F1            1B1            "
            "1REDUCE_GRAD\n");
  read("0F0,0F1,0B0,0B1,0REDUCE_GRAD,0REDUCE_GRAD\n1F0,1B0,1F1,1B1,1REDUCE_GRAD\n");
  EXPECT_THAT(error(),
              StartsWith("demo: stage 0: 0REDUCE_GRAD stands twice with no backward between\n"));
  read("0F0,0F1,0REDUCE_GRAD,0B0,0B1\n1F0,1B0,1F1,1B1,1REDUCE_GRAD\n");
  EXPECT_THAT(error(),
              StartsWith("demo: stage 0: 0REDUCE_GRAD stands before any backward of the stage\n"));
  read("0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1,1REDUCE_GRAD\n");
  EXPECT_THAT(error(), StartsWith("demo: stage 0: 0REDUCE_GRAD is missing on device 0, stage 1 "
                                  "has one\n"));
  EXPECT_THAT(error(), HasSubstr(" [0REDUCE_GRAD missing]\n"));
}

TEST_F(Validate, Missing) {
  compute_.devices[1].erase(compute_.devices[1].begin() + 2);
  EXPECT_EQ(error(),
            "demo: stage 1, micro-batch 1: 1F1 is missing on device 1\n"
            "device 0 | 0F0           0F1           .             0B0           0B1\n"
            "device 1 | .             1F0           1B0           1B1           [1F1 missing]\n");
}

TEST_F(Validate, MissingBackward) {
  compute_.devices[0].pop_back();
  EXPECT_THAT(error(), StartsWith("demo: stage 0, micro-batch 1: no backward on device 0: B, or I "
                                  "and W\ndevice 0 | "));
  EXPECT_THAT(error(), HasSubstr("[0B1 missing]"));
  compute_.devices[0].push_back(i(0, 1));
  EXPECT_THAT(error(), StartsWith("demo: stage 0, micro-batch 1: 0W1 is missing on device 0\n"));
  compute_.devices[0].back() = w(0, 1);
  EXPECT_THAT(error(), StartsWith("demo: stage 0, micro-batch 1: 0I1 is missing on device 0\n"));
}

TEST_F(Validate, Twice) {
  compute_.devices[1].push_back(f(1, 0));
  EXPECT_EQ(error(),
            "demo: stage 1, micro-batch 0: 1F0 stands twice on device 1\n"
            "device 0 | 0F0   0F1   .     0B0   .     0B1\n"
            "device 1 | .     [1F0] 1B0   1F1   1B1   [1F0]\n");
}

TEST_F(Validate, WholeBackwardBesideHalfOfIt) {
  compute_.devices[1].push_back(w(1, 0));
  EXPECT_THAT(error(),
              StartsWith("demo: stage 1, micro-batch 0: 1W0 beside 1B0, which does it too\n"));
}

TEST_F(Validate, WrongDevice) {
  compute_.devices[0].push_back(b(1, 1));
  EXPECT_THAT(error(), StartsWith("demo: stage 1, micro-batch 1: 1B1 stands on device 0, the stage "
                                  "is on device 1\n"));
  EXPECT_THAT(error(), HasSubstr(" [1B1]\n"));
}

TEST_F(Validate, OutOfRange) {
  compute_.devices[0].push_back(f(7, 0));
  EXPECT_THAT(error(), StartsWith("demo: stage 7, micro-batch 0: no such stage, the plan has 2\n"));
  compute_.devices[0].back() = f(-3, 0);
  EXPECT_THAT(error(), StartsWith("demo: stage -3, micro-batch 0: no such stage"));
  compute_.devices[0].back() = f(0, 2);
  EXPECT_THAT(error(),
              StartsWith("demo: stage 0, micro-batch 2: no such micro-batch, the step has 2\n"));
  compute_.devices[0].back() = {static_cast<ActionKind>(99), 0, 0};
  EXPECT_EQ(error(), "demo: device 0, turn 4: 99 is no kind of action");
  compute_.devices[0].back() = {ActionKind::overlap, 0, 0, -1, 9, 0};
  EXPECT_THAT(error(), HasSubstr("0F0 stands twice"));
}

TEST_F(Validate, ShapeOtherThanThePlans) {
  Schedule s = compute_;
  s.device_of_stage = {1, 0};
  EXPECT_EQ(error_of(s, plan_),
            "demo: stage 0 is placed on device 1, in the plan it is on device 0");
  s = compute_;
  s.stages = 3;
  EXPECT_EQ(error_of(s, plan_), "demo: the schedule has 3 stages, the plan 2");
  s = compute_;
  s.devices.pop_back();
  EXPECT_EQ(error_of(s, plan_), "demo: the schedule has 1 devices, the plan 2");
  s = compute_;
  s.microbatches = 0;
  EXPECT_THAT(error_of(s, plan_), HasSubstr("0 micro-batches"));
  s = compute_;
  s.device_of_stage.pop_back();
  EXPECT_EQ(error_of(s, plan_), "demo: the schedule places 1 stages, the plan 2");
}

TEST_F(Validate, OrderOnADevice) {
  std::swap(compute_.devices[1][0], compute_.devices[1][1]);
  EXPECT_THAT(error(), StartsWith("demo: stage 1, micro-batch 0: 1B0 stands before 1F0\n"));
  EXPECT_THAT(error(), HasSubstr("[1B0]"));
  compute_.devices[1] = {f(1, 0), w(1, 0), i(1, 0), f(1, 1), b(1, 1)};
  EXPECT_THAT(error(), StartsWith("demo: stage 1, micro-batch 0: 1W0 stands before 1I0\n"));
  compute_.devices[1] = {{ActionKind::overlap, 1, 0, -1, 1, 0}, f(1, 1), b(1, 1)};
  EXPECT_THAT(error(), StartsWith("demo: stage 1, micro-batch 0: 1B0 stands before 1F0\n"));
}

TEST_F(Validate, DeadlockAcrossDevices) {
  compute_.devices[1] = {f(1, 0), f(1, 1), b(1, 1), b(1, 0)};
  compute_.devices[0] = {f(0, 0), b(0, 0), f(0, 1), b(0, 1)};
  EXPECT_EQ(error(),
            "demo: stage 0, micro-batch 0: deadlock, device 0 cannot run 0B0\n"
            "  device 0: 0B0 waits for 1B0 of device 1\n"
            "  device 1: 1F1 waits for 0F1 of device 0\n"
            "device 0 | 0F0   .     [0B0] 0F1   0B1\n"
            "device 1 | .     1F0   [1F1] 1B1   1B0\n");
}

TEST_F(Validate, MoreActivationsThanALimit) {
  validate_activations(compute_, {2, 1}, "demo");
  try {
    validate_activations(compute_, {1, 1}, "demo");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "demo: stage 0, micro-batch 1: device 0 holds 2 activations from 0F1 on, its "
                 "limit is 1\n"
                 "device 0 | 0F0   [0F1] .     0B0   .     0B1\n"
                 "device 1 | .     1F0   1B0   1F1   1B1   .\n");
  }
  // I frees them as B does; in a pair both stages are alive at once.
  Schedule pairs = empty({0, 0}, 1, 2);
  pairs.devices[0] = {f(0, 0), f(1, 0), i(1, 0), w(1, 0), {ActionKind::overlap, 0, 1, -1, 0, 0},
                      f(1, 1), b(1, 1), b(0, 1)};
  validate_activations(pairs, {2}, "demo");
  EXPECT_THROW(validate_activations(pairs, {1}, "demo"), Error);
}

TEST(ValidateOneDevice, StageBeforeItsPredecessor) {
  const StagePlan plan = looped_plan(1, 2, 1, 1, 1);
  Schedule s = empty(plan.device, 1, 1);
  s.devices[0] = {f(1, 0), f(0, 0), b(1, 0), b(0, 0)};
  EXPECT_THAT(error_of(s, plan),
              HasSubstr("device 0: 1F0 waits for 0F0, which stands behind it\n"));
}

TEST_F(Validate, TransferThatIsMissingTwiceOrNeedless) {
  const Schedule whole = lowered_;
  erase_lowered(0, "0SEND_F1");
  EXPECT_THAT(lowered_error(),
              StartsWith("demo: stage 0, micro-batch 1: 0SEND_F1 is missing on device 0\n"));
  lowered_ = whole;
  erase_lowered(1, "1RECV_F1");
  EXPECT_THAT(lowered_error(),
              StartsWith("demo: stage 1, micro-batch 1: 1RECV_F1 is missing on device 1\n"));
  lowered_ = whole;
  lowered_.devices[0].push_back(parse_action("0SEND_F1"));
  EXPECT_THAT(lowered_error(),
              StartsWith("demo: stage 0, micro-batch 1: 0SEND_F1 stands twice on device 0\n"));
  lowered_ = whole;
  lowered_.devices[0].push_back(parse_action("0SEND_B1>1"));
  EXPECT_THAT(lowered_error(), HasSubstr("0SEND_B1>1, but nothing goes between the devices"));
  lowered_.devices[0].back() = parse_action("0SEND_F1>8");
  EXPECT_THAT(lowered_error(), HasSubstr("nothing goes between the devices of stages 0 and 8"));
}

TEST_F(Validate, TransferOnTheWrongSideOfItsCompute) {
  const Schedule whole = lowered_;
  swap_lowered(0, "0F1", "0SEND_F1");
  EXPECT_THAT(lowered_error(), StartsWith("demo: stage 0, micro-batch 1: 0SEND_F1 stands before "
                                          "0F1, which makes its values\n"));
  lowered_ = whole;
  swap_lowered(1, "1F1", "1RECV_F1");
  EXPECT_THAT(lowered_error(), StartsWith("demo: stage 1, micro-batch 1: 1RECV_F1 stands behind "
                                          "1F1, which reads it\n"));
  EXPECT_THAT(lowered_error(), HasSubstr("[1F1]"));
}

// The compute order is good, the order of the sends does not fit the places of the receives.
TEST_F(Validate, DeadlockOfTransfers) {
  lowered_.devices[0] = {f(0, 0),
                         f(0, 1),
                         parse_action("0SEND_F1"),
                         parse_action("0SEND_F0"),
                         parse_action("0RECV_B0"),
                         b(0, 0),
                         parse_action("0RECV_B1"),
                         b(0, 1)};
  lowered_.devices[1] = {parse_action("1RECV_F0"), f(1, 0), b(1, 0), parse_action("1SEND_B0"),
                         parse_action("1RECV_F1"), f(1, 1), b(1, 1), parse_action("1SEND_B1")};
  EXPECT_EQ(
      lowered_error(),
      "demo: stage 0, micro-batch 0: deadlock, device 0 cannot run 0B0\n"
      "  device 0: 0B0 waits for 1B0 of device 1\n"
      "  device 1: 1F0 waits for 0SEND_F0 of device 0, which stands behind 0SEND_F1 among its "
      "sends\n"
      "device 0 | 0F0      0F1      0SEND_F1 0SEND_F0 0RECV_B0 [0B0]    0RECV_B1 0B1\n"
      "device 1 | 1RECV_F0 [1F0]    1B0      1SEND_B0 1RECV_F1 1F1      1B1      1SEND_B1\n");
  // Posted early, the receive lets the same sends through: receives don't block.
  auto& list = lowered_.devices[1];
  std::rotate(list.begin(), list.begin() + 4, list.begin() + 5);
  EXPECT_EQ(lowered_error(), "no error");
}

TEST(ValidatePerDevice, SendThatWaitsForAReceiveBehindAReader) {
  // Device 2 reads from 0 and from 1, device 0 sends to 1 only after it has sent to 2.
  StagePlan plan = plan_for({0, 1, 2}, StageCost{});
  plan.channels.push_back({.from = 0, .to = 2});
  const Schedule s = parse_csv(
      "0F0,0SEND_F0>2,0SEND_F0,0F1,0SEND_F1>2,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
      "1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,1RECV_B0,1RECV_B1,1B0,1SEND_B0,1B1,1SEND_B1\n"
      "2RECV_F1,2RECV_F0,2RECV_F1<0,2RECV_F0<0,2F1,2B1,2SEND_B1,2F0,2B0,2SEND_B0\n",
      "s");
  EXPECT_EQ(error_of(s, plan), "no error");
  Schedule late = s;
  // The receive of micro-batch 0 from stage 0 now stands behind the compute of micro-batch 1.
  std::rotate(late.devices[2].begin() + 3, late.devices[2].begin() + 4,
              late.devices[2].begin() + 7);
  EXPECT_THAT(error_of(late, plan),
              HasSubstr("  device 1: 1F0 waits for 0SEND_F0 of device 0, which stands behind "
                        "0SEND_F0>2 among its sends\n"));
  EXPECT_THAT(error_of(late, plan), HasSubstr("  device 2: 2F1 waits for 1F1 of device 1"));
}

}  // namespace
}  // namespace headrace
