#include "executor/choice_file.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <thread>

#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ChoiceFiles : public testing::Test {
 protected:
  std::unique_ptr<ChoiceFile> open() {
    return std::make_unique<ChoiceFile>(
        path_, [this](const std::string& note) { notes_.push_back(note); });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "deep/down/products.txt";
  std::vector<std::string> notes_;
};

TEST_F(ChoiceFiles, TheFirstChoiceHoldsForAllAndInLaterRuns) {
  const auto one = open(), two = open();
  EXPECT_TRUE(one->keeps());
  EXPECT_EQ(one->find("a"), "");
  EXPECT_EQ(two->find("a"), "");
  EXPECT_EQ(one->settle("a", "fast"), "fast");
  EXPECT_EQ(two->settle("a", "faster"), "fast") << "both had found nothing";
  EXPECT_EQ(one->settle("a", "fastest"), "fast");
  EXPECT_EQ(two->settle("b", "slow"), "slow");
  EXPECT_EQ(one->find("b"), "slow") << "the file is read again for what is not known";
  const auto later = open();
  EXPECT_EQ(later->find("a"), "fast");
  EXPECT_EQ(later->find("b"), "slow");
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(ChoiceFiles, WhatIsNoWholeFileIsLeftAsideWithOneNote) {
  std::filesystem::create_directories(folder_ / "deep/down");
  const std::string good = "headrace choices 1\na\tfast\n";
  for (const std::string& broken :
       {std::string(), std::string("headrace choices 2\na\tfast\n"), std::string("{\"a\": 1}"),
        good + "b\tsl", good + "b\n", good + "\tslow\n", good + "b\t\n", good + "b\tslow\tslower\n",
        good + "a\tslow\n", std::string(1000, '\0')}) {
    notes_.clear();
    folder_.write("deep/down/products.txt", broken);
    const auto file = open();
    EXPECT_EQ(file->find("a"), "") << broken;
    EXPECT_EQ(file->find("b"), "") << broken;
    EXPECT_THAT(notes_, ElementsAre(HasSubstr("products.txt: is no whole file of choices")));
    EXPECT_EQ(file->settle("a", "new"), "new");
    EXPECT_EQ(open()->find("a"), "new") << "it was written anew";
    EXPECT_EQ(notes_.size(), 1);
  }
  folder_.write("deep/down/products.txt", good);
  EXPECT_EQ(open()->find("a"), "fast");
}

TEST_F(ChoiceFiles, WhatWasAnsweredHoldsWhenTheFileIsLost) {
  const auto one = open();
  one->settle("a", "fast");
  std::filesystem::remove(path_);
  EXPECT_EQ(one->find("a"), "fast");
  one->settle("b", "slow");
  EXPECT_EQ(open()->find("a"), "fast");
}

TEST_F(ChoiceFiles, WhereNothingCanBeWrittenThatIsSaidOnce) {
  folder_.write("deep", "a file where a folder should be");
  const auto file = open();
  EXPECT_FALSE(file->keeps());
  EXPECT_EQ(file->settle("a", "fast"), "");
  EXPECT_EQ(file->settle("b", "fast"), "");
  EXPECT_EQ(file->find("a"), "");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("cannot be written")));
}

TEST_F(ChoiceFiles, WhereAFileCannotBePutThatIsFoundWhenItIsTried) {
  const auto file = open();
  std::filesystem::create_directories(path_ + "/in the way");
  EXPECT_EQ(file->settle("a", "fast"), "");
  EXPECT_FALSE(file->keeps());
  EXPECT_EQ(file->find("a"), "") << "what is not kept is not answered";
  std::filesystem::remove_all(path_);
  EXPECT_EQ(open()->settle("a", "slow"), "slow");
  EXPECT_EQ(file->find("a"), "") << "nor later in the same run";
  EXPECT_THAT(notes_, testing::Contains(HasSubstr("cannot be written")));
}

constexpr int kKeys = 60;

// What a writer that chooses after its own name is told for each key; keys in an order of its own.
std::string answers(ChoiceFile& file, int writer) {
  std::vector<std::string> told(kKeys);
  for (int k = 0; k < kKeys; ++k) {
    const int key = (7 * k + 11 * writer) % kKeys;
    const std::string name = fmt::format("key {}", key);
    std::string choice = file.find(name);
    if (choice.empty()) choice = file.settle(name, fmt::format("writer {}", writer));
    told[static_cast<size_t>(key)] = choice;
  }
  return fmt::format("{}", fmt::join(told, ","));
}

TEST_F(ChoiceFiles, ThreadsAgree) {
  const auto shared = open(), other = open();
  std::vector<std::string> told(6);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back(
        [&, t] { told[static_cast<size_t>(t)] = answers(t % 2 == 0 ? *shared : *other, t); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(told, testing::Each(told[0]));
  EXPECT_EQ(answers(*open(), 9), told[0]);
}

TEST_F(ChoiceFiles, ProcessesAgree) {
  constexpr int kProcesses = 4;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::ofstream(folder_ / fmt::format("told {}", p)) << answers(*open(), p);
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const std::string wanted = answers(*open(), kProcesses);
  EXPECT_THAT(wanted, testing::Not(HasSubstr(fmt::format("writer {}", kProcesses))));
  for (int p = 0; p < kProcesses; ++p)
    EXPECT_EQ(read_whole(folder_ / fmt::format("told {}", p)), wanted);
}

}  // namespace
}  // namespace headrace
