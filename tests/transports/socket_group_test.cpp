#include "plugins/transports/socket_group.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <numeric>

#include "graph/error.h"
#include "tests/transports/meeting.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SocketGroup, BroadcastsFromEveryRoot) {
  meet(4, [](const std::unique_ptr<ProcessGroup>& group) {
    for (int root = 0; root < 4; ++root) {
      std::vector<int> values(100000, group->rank());
      group->broadcast(values.data(), values.size() * sizeof(int), root);
      EXPECT_EQ(values, std::vector<int>(values.size(), root));
      std::string text = group->rank() == root ? "of " + std::to_string(root) : "";
      broadcast(*group, text, root);
      EXPECT_EQ(text, "of " + std::to_string(root));
    }
  });
}

TEST(SocketGroup, SumsOverAll) {
  meet(3, [](const std::unique_ptr<ProcessGroup>& group) {
    for (int step = 0; step < 50; ++step) {
      std::vector<double> values = {1, step + group->rank() * 0.5, 0};
      values[2] = group->rank() == 2 ? 7 : 0;
      group->sum(values);
      EXPECT_THAT(values, ElementsAre(3, 3 * step + 1.5, 7));
    }
    group->sum({});
  });
}

TEST(SocketGroup, WhoeverDoesNotComeIsMissed) {
  const int port = free_port();
  EXPECT_THAT([&] { make_socket_group(place(0, 2, port), std::chrono::seconds(1)); },
              testing::ThrowsMessage<RunError>(HasSubstr(
                  fmt::format("only 1 of 2 processes came to port {} within 1 s", port))));
  EXPECT_THAT([&] { make_socket_group(place(1, 2, port), std::chrono::seconds(1)); },
              testing::ThrowsMessage<RunError>(
                  HasSubstr(fmt::format("rank 1 cannot reach rank 0 at 127.0.0.1:{}", port))));
}

// Somebody of another run comes to the port first.
TEST(SocketGroup, StrangersAreSentAway) {
  const int port = free_port();
  std::thread first([&] {
    const auto group = make_socket_group(place(0, 2, port), std::chrono::seconds(20));
    double rank = 0;
    group->sum({&rank, 1});
    EXPECT_EQ(rank, 1);
  });
  const auto stranger = make_socket_group(place(1, 3, port), std::chrono::seconds(20));
  const auto group = make_socket_group(place(1, 2, port), std::chrono::seconds(20));
  double rank = 1;
  group->sum({&rank, 1});
  EXPECT_EQ(rank, 1);
  first.join();
}

// One who says nothing at all is not waited for.
TEST(SocketGroup, TheSilentAreSentAway) {
  const int port = free_port();
  std::thread first([&] {
    const auto group = make_socket_group(place(0, 2, port), std::chrono::seconds(20));
    double one = 1;
    group->sum({&one, 1});
    EXPECT_EQ(one, 2);
  });
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  while (connect(silent, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto group = make_socket_group(place(1, 2, port), std::chrono::seconds(20));
  double one = 1;
  group->sum({&one, 1});
  EXPECT_EQ(one, 2);
  first.join();
  close(silent);
}

TEST(SocketGroup, WhoeverLeavesIsNamed) {
  meet(2, [](std::unique_ptr<ProcessGroup> group) {
    if (group->rank() == 1) return group.reset();
    double one = 1;
    EXPECT_THAT(
        [&] {
          group->sum({&one, 1});
        },
        testing::ThrowsMessage<RunError>(HasSubstr("rank 0 lost rank 1")));
  });
}

}  // namespace
}  // namespace headrace
