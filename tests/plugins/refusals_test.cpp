// Everything that a plugin can be or do wrong, and the one line that the user reads.

#include <filesystem>
#include <fstream>
#include <string>

#include "scheduler/plan_for.h"
#include "scheduler/validate.h"
#include "tests/plugins/problems.h"

namespace headrace {
namespace {

using headrace::testing::bad_plugin;
using headrace::testing::error_of;
using headrace::testing::kPlugins;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string refusal_of(const std::string& file) {
  return error_of([&] { PluginRegistry().load_scheduler(file); });
}

TEST(Refusals, FilesThatAreNoPlugins) {
  EXPECT_THAT(refusal_of("/nowhere/none.so"),
              AllOf(HasSubstr("'/nowhere/none.so'"), HasSubstr("no such file")));
  EXPECT_THAT(refusal_of(kPlugins + "/"), HasSubstr("it is a folder"));
  EXPECT_THAT(refusal_of(bad_plugin("no-entry")),
              AllOf(HasSubstr("not a plugin"), HasSubstr("headrace_plugin_entry")));

  const auto text = std::filesystem::path(HEADRACE_BAD_PLUGIN_DIR) / "text.so";
  std::ofstream(text) << "a letter, not a library\n";
  EXPECT_THAT(refusal_of(text.string()),
              AllOf(HasSubstr("not a plugin"), Not(HasSubstr("Bad file descriptor"))));
  std::filesystem::remove(text);
}

TEST(Refusals, Descriptors) {
  EXPECT_THAT(refusal_of(bad_plugin("wrong-magic")), HasSubstr("wrong magic number 0x00000007"));
  EXPECT_THAT(refusal_of(bad_plugin("wrong-abi")), AllOf(HasSubstr("2.7"), HasSubstr("1.2")));
  EXPECT_THAT(refusal_of(bad_plugin("short-descriptor")), HasSubstr("8 bytes"));
  EXPECT_THAT(refusal_of(bad_plugin("unknown-kind")), HasSubstr("kind 99"));
  EXPECT_THAT(refusal_of(bad_plugin("no-name")), HasSubstr("no name"));
  EXPECT_THAT(refusal_of(bad_plugin("no-table")), HasSubstr("table of functions"));
  EXPECT_THAT(refusal_of(bad_plugin("bad-default")),
              AllOf(HasSubstr("'depth'"), HasSubstr("'9'"), HasSubstr("from 1 to 8")));
  EXPECT_THAT(refusal_of(bad_plugin("short-options")), HasSubstr("option table is not whole"));
}

TEST(Refusals, WrongKind) {
  EXPECT_THAT(refusal_of(kPlugins + "/balanced.so"),
              HasSubstr("is a partitioner, not a scheduler"));
  EXPECT_THAT(refusal_of("balanced"), Not(HasSubstr("\n")));
  EXPECT_THAT(error_of([] { PluginRegistry({kPlugins}).load_partitioner("gpipe"); }),
              HasSubstr("is a scheduler, not a partitioner"));
}

TEST(Refusals, UnknownNames) {
  const PluginRegistry registry({kPlugins});
  EXPECT_THAT(error_of([&] { registry.load_scheduler("bredth-first"); }),
              HasSubstr("the nearest is 'breadth-first'"));
  EXPECT_THAT(error_of([&] { registry.load_partitioner("ballanced"); }),
              HasSubstr("the nearest is 'balanced'"));
}

TEST(Refusals, Options) {
  const auto load = [](const OptionValues& options) {
    return error_of([&] { PluginRegistry().load_scheduler(bad_plugin("misbehaving"), options); });
  };
  EXPECT_THAT(load({{"cuont", "3"}}), AllOf(HasSubstr("'cuont'"), HasSubstr("'count'")));
  EXPECT_THAT(load({{"count", "65"}}), HasSubstr("takes an integer from 1 to 64, not '65'"));
  EXPECT_THAT(load({{"count", "4.5"}}), HasSubstr("from 1 to 64, not '4.5'"));
  EXPECT_THAT(load({{"count", ""}}), HasSubstr("from 1 to 64, not ''"));
  EXPECT_THAT(load({{"any-count", "99999999999999999999"}}), HasSubstr("takes an integer, not"));
  EXPECT_THAT(load({{"share", "1.01"}}), HasSubstr("takes a number from 0 to 1, not '1.01'"));
  EXPECT_THAT(load({{"share", "nan"}}), HasSubstr("takes a number from 0 to 1"));
  EXPECT_THAT(load({{"flag", "yes"}}), HasSubstr("takes true or false, not 'yes'"));
  EXPECT_THAT(load({{"how", "well"}}), HasSubstr("takes one of nothing, throw"));
  EXPECT_THAT(error_of([] {
                PluginRegistry({kPlugins}).load_scheduler("gpipe", {{"depth", "1"}});
              }),
              HasSubstr("scheduler gpipe has no options, 'depth' was given"));
}

Schedule schedule_of(const OptionValues& options, const std::string& plugin = "misbehaving") {
  const auto scheduler = PluginRegistry().load_scheduler(bad_plugin(plugin), options);
  const ScheduleRequest request{
      .devices = 2, .microbatches = 3, .device_of_stage = scheduler->place(2, 1, 3)};
  return scheduler->schedule(request);
}

std::string misbehaviour(const std::string& how) {
  return error_of([&] { schedule_of({{"how", how}}); });
}

TEST(Refusals, ExceptionsArriveAsOneLineOfText) {
  EXPECT_EQ(misbehaviour("throw"), "scheduler misbehaving: the mill wheel is missing");
  EXPECT_THAT(misbehaviour("throw-int"), HasSubstr("is no std::exception"));
  EXPECT_THAT(misbehaviour("unknown-option"), HasSubstr("'depth', which is not in its table"));
  EXPECT_THAT(error_of([] { schedule_of({}, "newer-minor"); }),
              HasSubstr("let an exception out: nobody guards this"));
}

TEST(Refusals, FailAndStatus) {
  EXPECT_EQ(error_of([] {
              schedule_of({{"refuse", "true"}}, "plain-c");
            }),
            "scheduler plain-c: asked to refuse");
  const auto scheduler = PluginRegistry().load_scheduler(bad_plugin("plain-c"));
  const ScheduleRequest two_loops{
      .devices = 2, .microbatches = 3, .device_of_stage = scheduler->place(2, 2, 3)};
  EXPECT_THAT(error_of([&] { scheduler->schedule(two_loops); }),
              HasSubstr("gave up with status 5"));
}

TEST(Refusals, ActionsThatCannotBe) {
  EXPECT_THAT(misbehaviour("endless"), HasSubstr("more than 36 actions"));
  EXPECT_THAT(misbehaviour("stage"), HasSubstr("stage 2, there are 2"));
  EXPECT_THAT(misbehaviour("microbatch"), HasSubstr("micro-batch -1, there are 3"));
  EXPECT_THAT(misbehaviour("kind"), HasSubstr("unknown kind 42"));
  EXPECT_THAT(misbehaviour("device"), HasSubstr("device 2 of 2"));
  EXPECT_THAT(misbehaviour("assign"), HasSubstr("assigned a value where none is asked for"));
}

TEST(Refusals, SchedulesThatAreNoStep) {
  const auto verdict = [](const std::string& how) {
    const Schedule schedule = schedule_of({{"how", how}});
    return error_of([&] {
      validate(schedule, plan_for(schedule.device_of_stage, StageCost{}), "misbehaving");
    });
  };
  EXPECT_THAT(verdict("incomplete"), AllOf(HasSubstr("misbehaving"), HasSubstr("micro-batch 2")));
  EXPECT_THAT(verdict("duplicate"), AllOf(HasSubstr("misbehaving"), HasSubstr("0B1")));
  EXPECT_THAT(verdict("wrong-device"), AllOf(HasSubstr("misbehaving"), HasSubstr("0F0")));
  EXPECT_THAT(verdict("deadlock"), AllOf(HasSubstr("misbehaving"), HasSubstr("waits for")));
}

TEST(Refusals, Placements) {
  const auto verdict = [](const std::string& how) {
    return error_of([&] {
      PluginRegistry().load_scheduler(bad_plugin("misplacing"), {{"how", how}})->place(2, 2, 1);
    });
  };
  EXPECT_THAT(verdict("short"), HasSubstr("no device to stage 3"));
  EXPECT_THAT(verdict("long"), HasSubstr("placed stage 4 of 4"));
  EXPECT_THAT(verdict("device"), HasSubstr("stage 3 on device 2 of 2"));
  EXPECT_THAT(verdict("crowded"), HasSubstr("4 stages to device 0, 2 were asked for"));
  EXPECT_THAT(verdict("empty"), HasSubstr("no device to stage 0"));
}

TEST(Refusals, Partitions) {
  PartitionProblem problem = testing::chain_problem(std::vector<double>(6, 1.0), 1, 3);
  const auto verdict = [&](const std::string& how) {
    return error_of([&] {
      PluginRegistry()
          .load_partitioner(bad_plugin("misdividing"), {{"how", how}})
          ->partition(problem);
    });
  };
  EXPECT_EQ(verdict("throw"), "partitioner misdividing: no such luck");
  EXPECT_THAT(verdict("short"), HasSubstr("no stage to node 5 (MatMul), of 6"));
  EXPECT_THAT(verdict("long"), HasSubstr("node 6 of 6"));
  EXPECT_THAT(verdict("range"), HasSubstr("node 5 (MatMul) is in stage 3, there are 3"));
  EXPECT_THAT(verdict("backwards"), HasSubstr("the earlier stage 0"));
  EXPECT_THAT(verdict("empty"), HasSubstr("stage 0 of 3 has no nodes"));
  problem.nodes[0].colocate = problem.nodes[4].colocate = 7;
  EXPECT_THAT(verdict("apart"), AllOf(StartsWith("partitioner misdividing: node 0 (MatMul) and"),
                                      EndsWith("are in 0 and 2")));
}

}  // namespace
}  // namespace headrace
