#include <gmock/gmock.h>

#include <numeric>

#include "executor/communicator.h"
#include "tests/thread_group.h"

namespace headrace {
namespace {

using std::chrono::seconds;

TEST(RemoteLink, MovesBetweenProcessesAndWithinThem) {
  ThreadGroups(2).run([](ProcessGroup& group) {
    // Devices 0 and 1 are rank 0's, 2 and 3 rank 1's: one transfer within each, one between.
    const bool first = group.rank() == 0;
    int source = 0, target = -1, inner = -1;
    const Transfer inside0{0, 1, {{first ? &source : nullptr, first ? &inner : nullptr, 4}}};
    const Transfer between{1, 2, {{first ? &source : nullptr, first ? nullptr : &target, 4}}};
    const Transfer inside1{2, 3, {{first ? nullptr : &target, first ? nullptr : &inner, 4}}};
    const auto link = make_communicator(group, 4, {inside0, between, inside1}, seconds(60));
    for (int step = 1; step <= 20; ++step) {
      link->start_step();
      if (first) {
        source = step;
        link->post_receive(0);
        link->start_send(0);
        link->start_send(1);
        link->wait_receive(0);
        link->wait_send(0);
        link->wait_send(1);
      } else {
        link->post_receive(1);
        link->post_receive(2);
        link->wait_receive(1);
        EXPECT_EQ(target, step);
        link->start_send(2);
        link->wait_receive(2);
      }
      EXPECT_EQ(inner, step);
    }
  });
}

TEST(RemoteLink, PartsOfATransferArriveTogether) {
  ThreadGroups(2).run([](ProcessGroup& group) {
    const bool sends = group.rank() == 1;
    std::vector<int> a(1000), b(3), nothing;
    if (sends) std::iota(a.begin(), a.end(), 0), std::iota(b.begin(), b.end(), 5);
    Transfer transfer{1, 0, {}};
    for (auto* part : {&a, &nothing, &b})
      transfer.parts.push_back({sends ? part->data() : nullptr, sends ? nullptr : part->data(),
                                part->size() * sizeof(int)});
    const auto link = make_communicator(group, 2, {transfer}, seconds(60));
    link->start_step();
    if (sends) {
      link->start_send(0);
      link->wait_send(0);
    } else {
      link->post_receive(0);
      link->wait_receive(0);
      EXPECT_EQ(a[999], 999);
      EXPECT_THAT(b, testing::ElementsAre(5, 6, 7));
    }
  });
}

TEST(RemoteLink, ATransferThatNeverComesIsAnError) {
  ThreadGroups(2).run([](ProcessGroup& group) {
    int value = 0;
    const bool sends = group.rank() == 0;
    const auto link = make_communicator(
        group, 2,
        {{0, 1, {{sends ? &value : nullptr, sends ? nullptr : &value, 4}}, "gradients of stage 3"}},
        seconds(1));
    link->start_step();
    if (sends) return;
    link->post_receive(0);
    EXPECT_THAT([&] { link->wait_receive(0); },
                testing::ThrowsMessage<RunError>(testing::AllOf(
                    testing::HasSubstr("gradients of stage 3"), testing::HasSubstr("1 s"))));
  });
}

TEST(RemoteLink, StopEndsAWait) {
  ThreadGroups(2).run([](ProcessGroup& group) {
    int value = 0;
    const bool sends = group.rank() == 0;
    const auto link = make_communicator(
        group, 2, {{0, 1, {{sends ? &value : nullptr, sends ? nullptr : &value, 4}}}}, seconds(60));
    link->start_step();
    if (sends) return;
    std::thread waiter([&] { EXPECT_THROW(link->wait_receive(0), Stopped); });
    link->stop();
    waiter.join();
  });
}

}  // namespace
}  // namespace headrace
