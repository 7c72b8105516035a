#include "executor/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>

#include "executor/sha256.h"
#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// Every part holds the step, so that parts of two checkpoints cannot pass for one.
Checkpoint checkpoint_at(int64_t step) {
  const auto tensor = [&](float offset) {
    return make_host_tensor<float>({3}, std::array{static_cast<float>(step), offset, 0.5F});
  };
  Checkpoint checkpoint;
  checkpoint.parameters = {{"layer:0.weight", tensor(1)}, {"b", tensor(2)}};
  checkpoint.states = {{"bn.running_mean", tensor(3)}};
  checkpoint.optimizer = {{"layer:0.weight", {{"m", tensor(4)}, {"v", tensor(5)}}},
                          {"b", {{"m", tensor(6)}, {"v", tensor(7)}}}};
  checkpoint.step = step;
  checkpoint.data = {step / 10, step % 10};
  checkpoint.seed = 0xfedcba9876543210;
  checkpoint.config = {{"step", fmt::format("{}", step)}};
  return checkpoint;
}

std::vector<float> values(const HostTensor& tensor) {
  const auto span = tensor.as<float>();
  return {span.begin(), span.end()};
}

void expect_whole(const Checkpoint& found) {
  const Checkpoint expected = checkpoint_at(found.step);
  const auto expect_same = [](const auto& a, const auto& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, tensor] : a) EXPECT_EQ(values(tensor), values(b.at(name))) << name;
  };
  expect_same(expected.parameters, found.parameters);
  expect_same(expected.states, found.states);
  ASSERT_EQ(found.optimizer.size(), expected.optimizer.size());
  for (const auto& [name, states] : expected.optimizer)
    expect_same(states, found.optimizer.at(name));
  EXPECT_EQ(found.data, expected.data);
  EXPECT_EQ(found.seed, expected.seed);
  EXPECT_EQ(found.config, expected.config);
}

// Where flushing to the disk costs nothing, if there is such a place.
std::string fast_parent() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir();
}

std::set<std::string> entries(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

TEST(Checkpoint, KeepsTheLastTwo) {
  const TemporaryFolder root(fast_parent());
  const std::string folder = root / "runs/a";
  for (const int64_t step : {100, 200, 300}) {
    save_checkpoint(folder, checkpoint_at(step));
    const Checkpoint found = load_checkpoint(folder);
    EXPECT_EQ(found.step, step);
    expect_whole(found);
  }
  EXPECT_THAT(entries(folder), ElementsAre("latest", "step-00000200", "step-00000300"));
  EXPECT_EQ(read_whole(folder + "/latest"), "step-00000300\n");
  // Resumed from 200 after 300 was lost, the run comes by 300 again.
  save_checkpoint(folder, checkpoint_at(300));
  EXPECT_THAT(entries(folder), ElementsAre("latest", "step-00000200", "step-00000300"));
  // A new run in an old folder is not shadowed by the old one's higher steps.
  save_checkpoint(folder, checkpoint_at(50));
  EXPECT_EQ(load_checkpoint(folder).step, 50);
  EXPECT_THAT(entries(folder), ElementsAre("latest", "step-00000050", "step-00000300"));
  save_checkpoint(folder, checkpoint_at(60));
  EXPECT_THAT(entries(folder), ElementsAre("latest", "step-00000050", "step-00000060"));
}

TEST(Checkpoint, EveryDamageFallsBackToTheLastGoodOne) {
  const TemporaryFolder folder(fast_parent());
  const std::string newest = folder / "step-00000200";
  const auto restore = [&] {
    fs::remove_all(newest);
    save_checkpoint(folder.path(), checkpoint_at(100));
    save_checkpoint(folder.path(), checkpoint_at(200));
  };
  const auto expect_step = [&](int64_t step, const std::string& damage) {
    std::string warning;
    const Checkpoint found =
        load_checkpoint(folder.path(), [&](const std::string& text) { warning = text; });
    EXPECT_EQ(found.step, step) << damage;
    EXPECT_EQ(warning.find("took step-00000100 instead: ") == 0, step == 100) << damage;
    expect_whole(found);
  };
  restore();
  for (const char* name : {"state.safetensors", "state.json"}) {
    const std::string file = newest + "/" + name;
    const std::string whole = read_whole(file);
    for (size_t length = 0; length + 2 < whole.size(); length += 37) {
      fs::resize_file(file, length);
      expect_step(100, fmt::format("{} cut to {}", name, length));
      std::ofstream(file, std::ios::binary) << whole;
    }
    expect_step(200, "mended");
    fs::remove(file);
    expect_step(100, std::string(name) + " removed");
    restore();
  }
  fs::remove(folder / "latest");
  expect_step(200, "no pointer");
  folder.write("latest", "step-00000999\n");
  expect_step(200, "a pointer to nothing");
  folder.write("latest", "../../etc");
  expect_step(200, "a pointer to elsewhere");
  fs::create_directory(folder / ".passing-new");
  folder.write(".passing-new/state.json", "half");
  folder.write("latest.tmp", "step-");
  expect_step(200, "leftovers of a killed save");
  // The good one is kept, not the damaged one that stands between.
  fs::remove(newest + "/state.json");
  save_checkpoint(folder.path(), checkpoint_at(300));
  EXPECT_THAT(entries(folder.path()), ElementsAre("latest", "step-00000100", "step-00000300"));
}

TEST(Checkpoint, RefusalsSayWhatIsWrong) {
  const TemporaryFolder folder;
  const auto refusal = [&] { return message_of<Error>([&] { load_checkpoint(folder.path()); }); };
  EXPECT_THAT(refusal(), HasSubstr("no whole checkpoint here"));
  save_checkpoint(folder.path(), checkpoint_at(1));
  const std::string file = folder / "step-00000001/state.json";
  std::string text = read_whole(file);
  const size_t format = text.find("\"format\": 1");
  ASSERT_NE(format, std::string::npos);
  text[format + 10] = '9';
  std::ofstream(file) << text;
  EXPECT_THAT(refusal(), HasSubstr("state.json: format 9; this program reads 1"));
  const std::string occupied = folder.write("file", "");
  EXPECT_THROW(save_checkpoint(occupied, checkpoint_at(1)), Error);
}

TEST(Checkpoint, AKillAtAnyMomentLeavesTheLastGoodOne) {
  const TemporaryFolder folder(fast_parent());
  save_checkpoint(folder.path(), checkpoint_at(1));
  int64_t saved = 1;
  for (int kill = 0; kill < 60; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t step = saved + 1;; ++step) {
        save_checkpoint(folder.path(), checkpoint_at(step));
        if (step % 3 == 0) save_checkpoint(folder.path(), checkpoint_at(step));
        if (::write(ends[1], &step, sizeof step) != sizeof step) ::_exit(1);
      }
    }
    ::close(ends[1]);
    ASSERT_EQ(::read(ends[0], &saved, sizeof saved), static_cast<ssize_t>(sizeof saved));
    ::usleep(static_cast<useconds_t>(kill * 37));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &saved, sizeof saved) == static_cast<ssize_t>(sizeof saved)) continue;
    ::close(ends[0]);
    const Checkpoint found = load_checkpoint(folder.path());
    expect_whole(found);
    // The last that was reported, or the one that the kill met.
    EXPECT_THAT(found.step, testing::AnyOf(saved, saved + 1));
  }
}

TEST(TensorDigest, IsSha256OverNamesAndData) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // hashlib.sha256(b"a" + bytes([1, 2, 3]) + b"b" + numpy.float32(1.5).tobytes())
  EXPECT_EQ(sha256({{"b", scalar_tensor(1.5F)},
                    {"a", make_host_tensor<uint8_t>({3}, std::array<uint8_t, 3>{1, 2, 3})}}),
            "87fab12865bb75d4d3c6aa86b344a47f03810cfe2f1aa34623fabb7f9418f159");
  TensorDigest digest;
  digest.add("b", {});
  EXPECT_THROW(digest.add("a", {}), InternalError);
}

}  // namespace
}  // namespace headrace
