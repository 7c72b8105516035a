#include "plugins/transports/launcher.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "graph/error.h"

namespace headrace {
namespace {

// An environment that launchers left nothing in but what is given.
class Launcher : public testing::Test {
 protected:
  void TearDown() override { clear(); }

  static void start(const std::vector<std::pair<const char*, const char*>>& variables) {
    clear();
    for (const auto& [name, value] : variables) setenv(name, value, 1);
  }

 private:
  static void clear() {
    for (const char* name :
         {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID",
          "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_JOB_ID", "SLURM_NTASKS",
          "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"})
      unsetenv(name);
  }
};

void expect(const char* launcher, int rank, int size, const std::string& host, int port) {
  const auto found = launched();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->launcher, launcher);
  EXPECT_EQ(found->rank, rank);
  EXPECT_EQ(found->size, size);
  EXPECT_EQ(found->host, host);
  EXPECT_EQ(found->port, port);
}

TEST_F(Launcher, NoneWhereAProcessIsAlone) {
  start({});
  EXPECT_FALSE(launched());
  start({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  EXPECT_FALSE(launched());
  // A script of Slurm's: the job will have four tasks, the script is one process.
  start({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
  EXPECT_FALSE(launched());
}

TEST_F(Launcher, Torchrun) {
  start({{"RANK", "3"}, {"WORLD_SIZE", "8"}, {"MASTER_ADDR", "gpu01"}, {"MASTER_PORT", "29500"}});
  expect("torchrun", 3, 8, "gpu01", 29501);
}

TEST_F(Launcher, Slurm) {
  start({{"SLURM_PROCID", "5"},
         {"SLURM_STEP_NUM_TASKS", "8"},
         {"SLURM_STEP_NODELIST", "gpu[07-08]"},
         {"SLURM_JOB_ID", "1234567"}});
  expect("srun", 5, 8, "gpu07", 24567);
}

TEST_F(Launcher, MpirunOnOneMachine) {
  start({{"OMPI_COMM_WORLD_RANK", "1"},
         {"OMPI_COMM_WORLD_SIZE", "2"},
         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  expect("mpirun", 1, 2, "127.0.0.1", 20000 + getppid() % 10000);
}

TEST_F(Launcher, MpirunUnderSlurm) {
  start({{"OMPI_COMM_WORLD_RANK", "3"},
         {"OMPI_COMM_WORLD_SIZE", "4"},
         {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
         {"SLURM_PROCID", "0"},
         {"SLURM_STEP_NUM_TASKS", "2"},
         {"SLURM_STEP_NODELIST", "gpu[07-08]"},
         {"SLURM_JOB_ID", "5"}});
  expect("mpirun", 3, 4, "127.0.0.1", 20000 + getppid() % 10000);
}

TEST_F(Launcher, MpirunOnSeveralMachinesNeedsToBeTold) {
  start({{"OMPI_COMM_WORLD_RANK", "1"},
         {"OMPI_COMM_WORLD_SIZE", "4"},
         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_THAT([] { launched(); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("set MASTER_ADDR")));
  setenv("MASTER_ADDR", "10.0.0.7", 1);
  expect("mpirun", 1, 4, "10.0.0.7", 20000);
}

TEST_F(Launcher, NonsenseIsRefused) {
  start({{"RANK", "8"}, {"WORLD_SIZE", "8"}, {"MASTER_ADDR", "gpu01"}, {"MASTER_PORT", "29500"}});
  EXPECT_THAT([] { launched(); }, testing::ThrowsMessage<Error>(testing::HasSubstr("RANK=8")));
  setenv("RANK", "two", 1);
  EXPECT_THAT([] { launched(); }, testing::ThrowsMessage<Error>(testing::HasSubstr("'two'")));
  setenv("RANK", "2", 1);
  setenv("MASTER_PORT", "65535", 1);
  EXPECT_THAT([] { launched(); }, testing::ThrowsMessage<Error>(testing::HasSubstr("65536")));
}

TEST(FirstNode, OfSlurmsLists) {
  EXPECT_EQ(first_node("login"), "login");
  EXPECT_EQ(first_node("a1,a2"), "a1");
  EXPECT_EQ(first_node("gpu[07-09,12],login"), "gpu07");
  EXPECT_EQ(first_node("gpu[3,5]"), "gpu3");
  EXPECT_EQ(first_node("gpu[11]"), "gpu11");
  EXPECT_EQ(first_node(""), "");
}

}  // namespace
}  // namespace headrace
