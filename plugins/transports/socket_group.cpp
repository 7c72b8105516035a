#include "plugins/transports/socket_group.h"

#include <cstring>
#include <thread>
#include <vector>

#include "executor/asio.h"
#include "graph/error.h"

namespace headrace {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr auto kBetweenTries = std::chrono::milliseconds(100);
constexpr auto kForHello = std::chrono::seconds(2);
constexpr auto kBetweenLooks = std::chrono::milliseconds(1);

// What a process says first, to tell it from a stranger.
struct Hello {
  char name[8] = {'h', 'e', 'a', 'd', 'r', 'a', 'c', 'e'};
  int32_t size = 0, rank = 0;
};

class SocketGroup : public ProcessGroup {
 public:
  SocketGroup(Launched launched, std::chrono::seconds patience)
      : launched_(std::move(launched)), patience_(patience) {
    const auto deadline = Clock::now() + patience;
    if (rank() == 0)
      gather(deadline);
    else
      report_to_first(deadline);
  }

  int rank() const override { return launched_.rank; }
  int size() const override { return launched_.size; }
  bool between_queues() const override { return false; }

  void broadcast(void* data, size_t bytes, int root) override {
    const asio::mutable_buffer buffer(data, bytes);
    if (rank() != 0) {
      if (rank() == root)
        send(0, buffer);
      else
        receive(0, buffer);
      return;
    }
    if (root != 0) receive(root, buffer);
    for (int peer = 1; peer < size(); ++peer)
      if (peer != root) send(peer, buffer);
  }

  void sum(std::span<double> values) override {
    const asio::mutable_buffer buffer(values.data(), values.size_bytes());
    if (rank() != 0) {
      send(0, buffer);
      receive(0, buffer);
      return;
    }
    std::vector<double> theirs(values.size());
    for (int peer = 1; peer < size(); ++peer) {
      receive(peer, asio::buffer(theirs));
      for (size_t i = 0; i < theirs.size(); ++i) values[i] += theirs[i];
    }
    for (int peer = 1; peer < size(); ++peer) send(peer, buffer);
  }

 private:
  void gather(Clock::time_point deadline) {
    for (int peer = 0; peer < size(); ++peer) peers_.emplace_back(context_);
    boost::system::error_code error;
    tcp::acceptor acceptor(context_);
    const tcp::endpoint here(tcp::v4(), static_cast<unsigned short>(launched_.port));
    acceptor.open(here.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    if (acceptor.bind(here, error) ||
        acceptor.listen(asio::socket_base::max_listen_connections, error))
      throw RunError("rank 0 cannot listen on port {}: {}", launched_.port, error.message());
    acceptor.non_blocking(true);
    for (int met = 1; met < size();) {
      tcp::socket socket(context_);
      if (acceptor.accept(socket, error)) {
        wait_for_more(deadline, met);
        continue;
      }
      Hello hello;
      if (!hears(socket, hello) || !is_one_of_us(hello)) continue;
      tcp::socket& peer = peers_[static_cast<size_t>(hello.rank)];
      if (peer.is_open()) throw RunError("two processes say that they are rank {}", hello.rank);
      peer = std::move(socket);
      peer.set_option(tcp::no_delay(true));
      ++met;
    }
  }

  // Whoever connects and says nothing does not hold the others up for long.
  static bool hears(tcp::socket& socket, Hello& hello) {
    const auto deadline = Clock::now() + kForHello;
    auto* const bytes = reinterpret_cast<char*>(&hello);
    socket.non_blocking(true);
    for (size_t heard = 0; heard < sizeof hello;) {
      boost::system::error_code error;
      heard += socket.read_some(asio::buffer(bytes + heard, sizeof hello - heard), error);
      if (!error) continue;
      if (error != asio::error::would_block || Clock::now() > deadline) return false;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    socket.non_blocking(false);
    return true;
  }

  bool is_one_of_us(const Hello& hello) const {
    const Hello expected;
    return std::memcmp(hello.name, expected.name, sizeof hello.name) == 0 && hello.size == size() &&
           hello.rank > 0 && hello.rank < size();
  }

  void wait_for_more(Clock::time_point deadline, int met) const {
    if (Clock::now() > deadline)
      throw RunError("only {} of {} processes came to port {} within {} s", met, size(),
                     launched_.port, patience_.count());
    std::this_thread::sleep_for(kBetweenTries);
  }

  void report_to_first(Clock::time_point deadline) {
    tcp::socket& first = peers_.emplace_back(context_);
    boost::system::error_code error;
    do {
      tcp::resolver resolver(context_);
      const auto places = resolver.resolve(launched_.host, std::to_string(launched_.port), error);
      if (!error) asio::connect(first, places, error);
      if (!error) break;
      std::this_thread::sleep_for(kBetweenTries);
    } while (Clock::now() < deadline);
    if (error)
      throw RunError("rank {} cannot reach rank 0 at {}:{}: {}", rank(), launched_.host,
                     launched_.port, error.message());
    first.set_option(tcp::no_delay(true));
    const Hello hello{.size = size(), .rank = rank()};
    send(0, asio::const_buffer(&hello, sizeof hello));
  }

  void send(int peer, asio::const_buffer buffer) {
    boost::system::error_code error;
    asio::write(peers_[static_cast<size_t>(peer)], buffer, error);
    if (error) lost(peer, error);
  }
  void receive(int peer, asio::mutable_buffer buffer) {
    boost::system::error_code error;
    asio::read(peers_[static_cast<size_t>(peer)], buffer, error);
    if (error) lost(peer, error);
  }
  [[noreturn]] void lost(int peer, const boost::system::error_code& error) const {
    throw RunError("rank {} lost rank {}: {}", rank(), peer, error.message());
  }

  const Launched launched_;
  const std::chrono::seconds patience_;
  asio::io_context context_;
  std::vector<tcp::socket> peers_;  // of rank 0 by rank, none for itself; else rank 0
};

}  // namespace

std::unique_ptr<ProcessGroup> make_socket_group(const Launched& launched,
                                                std::chrono::seconds patience) {
  try {
    return std::make_unique<SocketGroup>(launched, patience);
  } catch (const boost::system::system_error& error) {
    throw RunError("rank {}: {}", launched.rank, error.what());
  }
}

}  // namespace headrace
