#include "scheduler/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/error.h"
#include "scheduler/validate.h"
#include "tests/scheduler/generators.h"

namespace headrace {
namespace {

using namespace headrace::testing;
using ::testing::HasSubstr;

std::string error_of(const std::string& csv) {
  try {
    parse_csv(csv, "s.csv");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ActionText, WritesAndReadsEveryKind) {
  using enum ActionKind;
  const std::pair<Action, const char*> cases[] = {
      {f(2, 0), "2F0"},
      {b(12, 34), "12B34"},
      {i(0, 3), "0I3"},
      {w(0, 3), "0W3"},
      {{overlap, 0, 7, -1, 7, 3}, "(0F7;7B3)OVERLAP_F_B"},
      {{send_forward, 0, 3, 1}, "0SEND_F3"},
      {{send_forward, 0, 3, 2}, "0SEND_F3>2"},
      {{receive_forward, 1, 3, 0}, "1RECV_F3"},
      {{receive_forward, 2, 3, 0}, "2RECV_F3<0"},
      {{send_backward, 1, 3, 0}, "1SEND_B3"},
      {{send_backward, 2, 3, 0}, "2SEND_B3>0"},
      {{receive_backward, 0, 3, 1}, "0RECV_B3"},
      {{receive_backward, 0, 3, 2}, "0RECV_B3<2"},
      {{unshard, 4, -1}, "4UNSHARD"},
      {{reshard, 4, -1}, "4RESHARD"},
      {{reduce_grad, 4, -1}, "4REDUCE_GRAD"},
      {{reduce_grad, 4, 2}, "4REDUCE_GRAD2"},
  };
  for (const auto& [action, text] : cases) {
    EXPECT_EQ(to_string(action), text);
    EXPECT_EQ(parse_action(text), action) << text;
  }
  EXPECT_EQ(parse_action(" 2F0\r"), f(2, 0));
  EXPECT_EQ(parse_action("( 0F7 ; 7B3 )OVERLAP_F_B"), parse_action("(0F7;7B3)OVERLAP_F_B"));
  EXPECT_EQ(parse_action("3BW1"), b(3, 1));
}

TEST(ActionText, RefusesWhatIsNoAction) {
  for (const char* text : {"",
                           "F",
                           "F0",
                           "2",
                           "2F",
                           "2X0",
                           "-1F0",
                           "2F-1",
                           "2F0x",
                           "2F0>1",
                           "2 F0",
                           "2F99999999999",
                           "0SEND_F",
                           "0SEND_F3>",
                           "0SEND_F3<1",
                           "0RECV_F3>1",
                           "(0F7;7B3)",
                           "(0F7)OVERLAP_F_B",
                           "(0B7;7F3)OVERLAP_F_B",
                           "(0F7;7B3;1W1)OVERLAP_F_B",
                           "(0F7;7I3)OVERLAP_F_B"})
    EXPECT_THROW(parse_action(text), Error) << text;
}

TEST(Csv, ComesBackAsItWent) {
  for (const Schedule& schedule :
       {one_f_one_b(4, 6), breadth_first(3, 2, 3), zero_bubble(4, 6, 1)}) {
    const Schedule back = parse_csv(to_csv(schedule), "s.csv");
    EXPECT_EQ(back.stages, schedule.stages);
    EXPECT_EQ(back.microbatches, schedule.microbatches);
    EXPECT_EQ(back.device_of_stage, schedule.device_of_stage);
    EXPECT_EQ(back.devices, schedule.devices);
  }
}

TEST(Csv, DropsIdleTurnsBlanksQuotesAndLineEnds) {
  const Schedule s = parse_csv("0F0,,,0B0,\r\n, \"1F0\", 1B0,\r\n\r\n", "s.csv");
  EXPECT_EQ(s.stages, 2);
  EXPECT_EQ(s.microbatches, 1);
  EXPECT_EQ(s.devices, (std::vector<std::vector<Action>>{{f(0, 0), b(0, 0)}, {f(1, 0), b(1, 0)}}));
}

TEST(Csv, TellsTheDialectByBwOrByWWithoutI) {
  EXPECT_EQ(parse_csv("0F0,0I0,0W0", "s").devices[0], (std::vector{f(0, 0), i(0, 0), w(0, 0)}));
  EXPECT_EQ(parse_csv("0F0,0B0", "s").devices[0], (std::vector{f(0, 0), b(0, 0)}));
  EXPECT_EQ(parse_csv("0F0,0BW0", "s").devices[0], (std::vector{f(0, 0), b(0, 0)}));
  EXPECT_EQ(parse_csv("0F0,0B0,0W0", "s").devices[0], (std::vector{f(0, 0), i(0, 0), w(0, 0)}));
  // A whole backward beside a split one.
  EXPECT_EQ(parse_csv("0F0,0F1,0BW0,0B1,0W1", "s").devices[0],
            (std::vector{f(0, 0), f(0, 1), b(0, 0), i(0, 1), w(0, 1)}));
  EXPECT_EQ(parse_csv("0F0,0F1,0B0,0I1,0W1", "s").devices[0],
            (std::vector{f(0, 0), f(0, 1), b(0, 0), i(0, 1), w(0, 1)}));
}

// golden/make.py wrote it with all passes of PyTorch: gathers, reductions, transfers, and waits for
// sends and reductions, which are dropped.
TEST(Csv, ReadsWhatPyTorchWritesWhole) {
  const std::string path =
      std::string(HEADRACE_SOURCE_DIR) + "/tests/scheduler/golden/breadth-first.full.csv";
  const Schedule whole = read_csv(path);
  const StagePlan plan = plan_for(whole.device_of_stage, StageCost{});
  validate(whole, plan, path);
  EXPECT_EQ(whole.device_of_stage, (std::vector<int>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(std::count(whole.devices[0].begin(), whole.devices[0].end(),
                       Action{.kind = ActionKind::reduce_grad, .stage = 3, .microbatch = -1}),
            1);
  EXPECT_EQ(to_csv(whole).find("WAIT"), std::string::npos);
  EXPECT_TRUE(is_wait(" 3WAIT_SEND_B2"));
  for (const char* text : {"3SEND_B2", "WAIT_SEND_B2", "3WAIT_SEND_B2x", "3WAIT", ""})
    EXPECT_FALSE(is_wait(text)) << text;
}

TEST(Csv, ReadsOnlyFiles) {
  EXPECT_THROW(read_csv(HEADRACE_SOURCE_DIR), Error);
  EXPECT_THROW(read_csv("no-such.csv"), Error);
}

TEST(Csv, NamesRowAndColumnOfAMistake) {
  EXPECT_THAT(error_of("0F0,0B0\n1F0,,1Q0"), HasSubstr("s.csv: row 2, column 3: '1Q0' is not an"));
  EXPECT_THAT(error_of("0F0,0B0\n1F0,0B0"),
              HasSubstr("s.csv: row 2, column 2: stage 0 already stands in row 1"));
  EXPECT_THAT(error_of("0F0,0BW0\n1F0,1I0"),
              HasSubstr("row 2, column 2: I beside the BW of row 1"));
  EXPECT_THAT(error_of("0F0,0B0\n,,\n1F0"), HasSubstr("s.csv: row 2 has no action"));
  EXPECT_THAT(error_of("0F0,0B0,2F0"), HasSubstr("stage 2 is there, stage 1 is not"));
  EXPECT_THAT(error_of("0F0,0B2000000000"), HasSubstr("micro-batch 2000000000 in a file of 2"));
  EXPECT_THAT(error_of(" \n\n"), HasSubstr("s.csv: no schedule in it"));
}

TEST(Grid, ShowsIdleTurnsAsDots) {
  EXPECT_EQ(to_grid(one_f_one_b(2, 2)),
            "device 0 | 0F0 0F1 .   0B0 .   0B1\n"
            "device 1 | .   1F0 1B0 1F1 1B1 .\n");
  EXPECT_EQ(to_grid(parse_csv("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", "s")),
            "device 0 | 0F0      0SEND_F0 0RECV_B0 0B0\n"
            "device 1 | 1RECV_F0 1F0      1B0      1SEND_B0\n");
}

TEST(Grid, ShowsTheTurnsAroundAMark) {
  EXPECT_EQ(to_grid(gpipe(2, 2), {{.device = 1, .position = 1, .label = {}},
                                  {.device = 0, .position = 4, .label = "0W0 missing"}}),
            "device 0 | 0F0           0F1           .             .             0B0           0B1 "
            "          [0W0 missing]\n"
            "device 1 | .             1F0           [1F1]         1B0           1B1           .   "
            "          .\n");
  const std::string grid = to_grid(gpipe(1, 100), {{.device = 0, .position = 50, .label = {}}});
  EXPECT_THAT(grid, HasSubstr("device 0 | ... 0F38"));
  EXPECT_THAT(grid, HasSubstr(" [0F50] "));
  EXPECT_THAT(grid, HasSubstr(" 0F62   ...\n"));
}

}  // namespace
}  // namespace headrace
