#include "executor/communicator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace headrace {
namespace {

TEST(InprocCommunicator, CopiesOnceBothEndsAreReady) {
  const int source = 42;
  int target = 0;
  const auto link = make_inproc_communicator(2, {{0, 1, {{&source, &target, sizeof target}}}});
  link->start_step();
  link->post_receive(0);
  link->start_send(0);
  link->wait_receive(0);
  EXPECT_EQ(target, 42);
  link->wait_send(0);
}

TEST(InprocCommunicator, WaitsForThePost) {
  const int source = 1;
  int target = 0;
  const auto link = make_inproc_communicator(2, {{0, 1, {{&source, &target, sizeof target}}}});
  link->start_step();
  link->start_send(0);
  std::atomic<bool> posted = false;
  std::thread sender([&] {
    link->wait_send(0);
    EXPECT_TRUE(posted);
  });
  posted = true;
  link->post_receive(0);
  sender.join();
  EXPECT_EQ(target, 1);
}

TEST(InprocCommunicator, AnUnpostedTransferDoesNotHoldUpTheNext) {
  const int sources[2] = {1, 2};
  int targets[2] = {0, 0};
  const auto link =
      make_inproc_communicator(2, {{0, 1, {{&sources[0], &targets[0], sizeof(int)}}},
                                   {0, 1, {{&sources[1], &targets[1], sizeof(int)}}}});
  link->start_step();
  link->start_send(0);
  link->start_send(1);
  link->post_receive(1);
  link->wait_receive(1);
  EXPECT_EQ(targets[1], 2);
  EXPECT_EQ(targets[0], 0);
  link->post_receive(0);
  link->wait_receive(0);
  EXPECT_EQ(targets[0], 1);
}

TEST(InprocCommunicator, EveryStepMovesAnew) {
  int source = 0, target = -1;
  const auto link = make_inproc_communicator(2, {{0, 1, {{&source, &target, sizeof target}}}});
  for (int step = 0; step < 100; ++step) {
    source = step;
    link->start_step();
    link->start_send(0);
    link->post_receive(0);
    link->wait_receive(0);
    EXPECT_EQ(target, step);
  }
}

TEST(InprocCommunicator, StopEndsEveryWait) {
  const int source = 1;
  int target = 0;
  const auto link = make_inproc_communicator(2, {{0, 1, {{&source, &target, sizeof target}}}});
  link->start_step();
  std::thread receiver([&] { EXPECT_THROW(link->wait_receive(0), Stopped); });
  std::thread waiter([&] { EXPECT_THROW(link->barrier([] {}), Stopped); });
  link->stop();
  receiver.join();
  waiter.join();
}

}  // namespace
}  // namespace headrace
