// The schedulers that come with the program: what they emit, to the letter, and what it takes.

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "scheduler/text.h"
#include "tests/plugins/schedules.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string golden(const std::string& file) {
  std::ifstream stream(std::string(HEADRACE_GOLDEN_DIR) + "/" + file);
  EXPECT_TRUE(stream) << file;
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Schedulers, EmitTheGoldenLists) {
  EXPECT_EQ(to_csv(make("gpipe", 3, 1, 4)), golden("gpipe.csv"));
  EXPECT_EQ(to_csv(make("1f1b", 3, 1, 5)), golden("1f1b.csv"));
  EXPECT_EQ(to_csv(make("breadth-first", 2, 2, 3)), golden("breadth_first.csv"));
}

// golden/make.py wrote them with PyTorch's own schedules.
TEST(Schedulers, AreThoseOfPyTorch) {
  const struct {
    const char* name;
    int devices, stages_per_device, microbatches;
  } lists[] = {{"interleaved", 4, 2, 10}, {"interleaved", 4, 3, 3}, {"zb-v", 3, 2, 3},
               {"zb-v", 3, 2, 7},         {"dualpipe-v", 2, 2, 4},  {"dualpipe-v", 3, 2, 8}};
  for (const auto& [name, p, v, m] : lists)
    EXPECT_EQ(to_csv(make(name, p, v, m)), golden(fmt::format("{}.{}.{}.{}.csv", name, p, v, m)));
}

TEST(Schedulers, OneFOneBRunsOneStagePerDevice) {
  EXPECT_THAT(error_of([] { make("1f1b", 2, 2, 4); }),
              AllOf(HasSubstr("scheduler 1f1b"), HasSubstr("2 were asked for"),
                    HasSubstr("--stages-per-device 1"), HasSubstr("breadth-first")));
}

TEST(Schedulers, TwoStagesPerDeviceInAV) {
  for (const char* name : {"zb-v", "v-half", "v-min", "dualpipe-v"}) {
    EXPECT_EQ(make(name, 3, 2, 8).device_of_stage, (std::vector<int>{0, 1, 2, 2, 1, 0})) << name;
    EXPECT_THAT(error_of([&] { make(name, 3, 1, 8); }),
                AllOf(HasSubstr(name), HasSubstr("--stages-per-device 2")));
  }
}

TEST(Schedulers, DualPipeVTellsHowManyMicrobatchesFit) {
  EXPECT_THAT(error_of([] { make("dualpipe-v", 4, 2, 7); }),
              AllOf(HasSubstr("scheduler dualpipe-v"), HasSubstr("--microbatches 8 would fit")));
}

TEST(Schedulers, HybridTakesGroupsThatDivide) {
  const auto csv = [](const OptionValues& options) {
    return to_csv(make("hybrid", 2, 2, 4, options));
  };
  const std::string whole = to_csv(make("breadth-first", 2, 2, 4));
  EXPECT_EQ(csv({}), whole);
  EXPECT_EQ(csv({{"breadth", "4"}}), whole);
  EXPECT_EQ(csv({{"depth", "2"}}), csv({{"breadth", "2"}}));
  EXPECT_EQ(csv({{"depth", "2"}, {"breadth", "2"}}), csv({{"breadth", "2"}}));
  EXPECT_EQ(csv({{"depth", "2"}}),
            "0F0,0F1,2F0,2F1,2B0,2B1,0B0,0B1,0F2,0F3,2F2,2F3,2B2,2B3,0B2,0B3\n"
            "1F0,1F1,3F0,3F1,3B0,3B1,1B0,1B1,1F2,1F3,3F2,3F3,3B2,3B3,1B2,1B3\n");
  EXPECT_THAT(error_of([&] { csv({{"breadth", "3"}}); }), HasSubstr("6 micro-batches can"));
  EXPECT_THAT(error_of([&] {
                csv({{"depth", "2"}, {"breadth", "4"}});
              }),
              HasSubstr("depth 1 would fit"));
}

TEST(Schedulers, InterleavedTakesGroupsOfAtLeastTheDevices) {
  const auto csv = [](int m, const char* group) {
    return to_csv(make("interleaved", 4, 2, m, {{"group-size", group}}));
  };
  EXPECT_EQ(csv(8, "0"), csv(8, "4"));
  EXPECT_EQ(csv(10, "0"), csv(10, "5"));  // as PyTorch: two rounds
  EXPECT_EQ(csv(9, "0"), csv(9, "5"));    // 5 and 4
  EXPECT_EQ(csv(3, "0"), csv(3, "3"));
  EXPECT_NE(csv(8, "8"), csv(8, "4"));
  EXPECT_THAT(error_of([&] { csv(10, "4"); }),
              AllOf(HasSubstr("group-size 4 does not fit 10 micro-batches"),
                    HasSubstr("group-size 5 would fit")));
  EXPECT_THAT(error_of([&] { csv(8, "3"); }), HasSubstr("group-size 4 would fit"));
  EXPECT_THAT(error_of([&] { csv(8, "9"); }), HasSubstr("group-size 4 would fit"));
}

}  // namespace
}  // namespace headrace
