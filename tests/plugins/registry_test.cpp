#include "plugins/host/registry.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "scheduler/plan_for.h"
#include "scheduler/validate.h"
#include "tests/plugins/problems.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using headrace::testing::bad_plugin;
using headrace::testing::error_of;
using headrace::testing::kPlugins;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Sets HEADRACE_PLUGIN_PATH for the life of a test.
class PathVariable {
 public:
  explicit PathVariable(const std::string& value) {
    ::setenv("HEADRACE_PLUGIN_PATH", value.c_str(), 1);
  }
  ~PathVariable() { ::unsetenv("HEADRACE_PLUGIN_PATH"); }
};

std::map<std::string, PluginInfo> by_name(const PluginRegistry& registry) {
  std::map<std::string, PluginInfo> plugins;
  for (const PluginInfo& info : registry.list()) plugins.emplace(info.name, info);
  return plugins;
}

TEST(Registry, ListsWhatPluginsSayOfThemselves) {
  const auto plugins = by_name(PluginRegistry({kPlugins}));
  for (const char* name : {"gpipe", "1f1b", "breadth-first"}) {
    ASSERT_TRUE(plugins.contains(name)) << name;
    EXPECT_EQ(plugins.at(name).kind, "scheduler");
  }
  for (const char* name : {"uniform", "parameters", "balanced", "looped", "schedule-aware"}) {
    ASSERT_TRUE(plugins.contains(name)) << name;
    EXPECT_EQ(plugins.at(name).kind, "partitioner");
  }
  const PluginInfo& info = plugins.at("breadth-first");
  EXPECT_EQ(info.refused, "");
  EXPECT_EQ(info.placement, "looped");
  EXPECT_EQ(plugins.at("1f1b").placement, "one stage per device");
  EXPECT_EQ(plugins.at("zb-v").placement, "V, two stages per device");
  EXPECT_EQ(plugins.at("csv").placement, "its own");
  EXPECT_EQ(plugins.at("balanced").placement, "");
  EXPECT_EQ(info.abi, "1.2");
  EXPECT_EQ(info.file, fs::canonical(kPlugins) / "breadth-first.so");
  EXPECT_THAT(info.version, Not(::testing::IsEmpty()));
  EXPECT_THAT(info.summary, HasSubstr("micro-batch"));
  EXPECT_THAT(info.build_tag, Not(::testing::IsEmpty()));
}

TEST(Registry, ListsRefusedOnesWithTheirReason) {
  const auto plugins = by_name(PluginRegistry({HEADRACE_BAD_PLUGIN_DIR}));
  EXPECT_EQ(plugins.at("wrong-abi").abi, "2.7");
  EXPECT_EQ(plugins.at("wrong-abi").kind, "");
  EXPECT_THAT(plugins.at("wrong-abi").refused, HasSubstr("ABI 2.7"));
  EXPECT_THAT(plugins.at("no-entry").refused, HasSubstr("not a plugin"));
  EXPECT_EQ(plugins.at("plain-c").refused, "");
  EXPECT_EQ(plugins.at("plain-c").version, "1.2");

  const PluginInfo& misbehaving = plugins.at("misbehaving");
  ASSERT_EQ(misbehaving.options.size(), 6u);
  EXPECT_EQ(misbehaving.options[0].type, OptionType::choice);
  EXPECT_THAT(misbehaving.options[0].choices, Contains("deadlock"));
  EXPECT_EQ(misbehaving.options[1].name, "count");
  EXPECT_EQ(misbehaving.options[1].maximum, "64");
}

TEST(Registry, SearchesGivenFoldersThenTheVariableThenBesideTheProgram) {
  const fs::path bad = fs::canonical(HEADRACE_BAD_PLUGIN_DIR), good = fs::canonical(kPlugins);
  const PathVariable variable("/nowhere::" + bad.string());
  const auto places = [&](const PluginRegistry& registry) {
    const auto& path = registry.search_path();
    const auto place = [&](const fs::path& folder) {
      return std::find(path.begin(), path.end(), folder) - path.begin();
    };
    return std::pair(place(bad), place(good));
  };
  // `good` is ../plugins beside this program.
  const auto [bad_by_variable, good_beside] = places(PluginRegistry());
  EXPECT_EQ(bad_by_variable, 0);
  EXPECT_GT(good_beside, 0);
  EXPECT_LT(good_beside, static_cast<std::ptrdiff_t>(PluginRegistry().search_path().size()));
  EXPECT_EQ(places(PluginRegistry({good})), (std::pair<std::ptrdiff_t, std::ptrdiff_t>(1, 0)));
  EXPECT_NO_THROW(PluginRegistry().load_scheduler("gpipe"));
  EXPECT_THAT(error_of([] { PluginRegistry({"/nowhere"}); }), HasSubstr("no plugin folder"));
}

TEST(Registry, TheFirstOfANameWins) {
  const fs::path folder = fs::path(HEADRACE_BAD_PLUGIN_DIR) / "copies";
  fs::create_directories(folder);
  fs::copy_file(kPlugins + "/gpipe.so", folder / "gpipe.so", fs::copy_options::overwrite_existing);
  fs::copy_file(bad_plugin("plain-c"), folder / "renamed.so", fs::copy_options::overwrite_existing);

  const PluginRegistry registry({kPlugins, folder});
  const auto plugins = registry.list();
  const auto copy = std::find_if(plugins.begin(), plugins.end(), [&](const PluginInfo& info) {
    return info.file == fs::canonical(folder) / "gpipe.so";
  });
  ASSERT_NE(copy, plugins.end());
  EXPECT_THAT(copy->refused, HasSubstr("hidden by " + fs::canonical(kPlugins).string()));
  EXPECT_EQ(registry.load_scheduler("plain-c")->name(), "plain-c");  // whatever its file is called
  fs::remove_all(folder);
}

TEST(Registry, ARefusedFileOfTheNameIsNotPassedOver) {
  const fs::path folder = fs::path(HEADRACE_BAD_PLUGIN_DIR) / "spoiled";
  fs::create_directories(folder);
  fs::copy_file(bad_plugin("wrong-abi"), folder / "gpipe.so", fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of([&] {
                PluginRegistry({folder, kPlugins}).load_scheduler("gpipe");
              }),
              HasSubstr("ABI 2.7"));
  fs::remove_all(folder);
}

TEST(Registry, PluginsReadTheirOptions) {
  const auto said = [](const OptionValues& options) {
    const auto scheduler = PluginRegistry().load_scheduler(bad_plugin("misbehaving"), options);
    const ScheduleRequest request{.devices = 1, .microbatches = 1, .device_of_stage = {0}};
    return error_of([&] { scheduler->schedule(request); });
  };
  EXPECT_EQ(said({}),
            "scheduler misbehaving: count 4 any-count -3 share 0.500000 flag no title none");
  EXPECT_EQ(said({{"count", "64"},
                  {"any-count", "7"},
                  {"share", "2.5e-1"},
                  {"flag", "true"},
                  {"title", "a b"}}),
            "scheduler misbehaving: count 64 any-count 7 share 0.250000 flag yes title a b");
}

// C99, no placement function of its own, a newer minor: all are fine.
TEST(Registry, BarePluginsWork) {
  const auto scheduler = PluginRegistry().load_scheduler(bad_plugin("plain-c"));
  const ScheduleRequest request{
      .devices = 3, .microbatches = 4, .device_of_stage = scheduler->place(3, 1, 4)};
  const Schedule schedule = scheduler->schedule(request);
  EXPECT_NO_THROW(validate(schedule, plan_for(request.device_of_stage, StageCost{}), "plain-c"));
  EXPECT_NO_THROW(PluginRegistry().load_scheduler(bad_plugin("newer-minor")));
}

TEST(Registry, PlacementsAndOverlapsTravel) {
  const auto scheduler = PluginRegistry().load_scheduler(bad_plugin("misplacing"));
  const std::vector<int> placement = scheduler->place(3, 2, 1);
  EXPECT_THAT(placement, ElementsAre(0, 1, 2, 2, 1, 0));
  const ScheduleRequest request{.devices = 3, .microbatches = 1, .device_of_stage = placement};
  const Schedule schedule = scheduler->schedule(request);
  const Action overlap{.kind = ActionKind::overlap,
                       .stage = 3,
                       .microbatch = 0,
                       .other_stage = 3,
                       .other_microbatch = 0};
  EXPECT_EQ(schedule.devices[2][1], overlap);
}

}  // namespace
}  // namespace headrace
