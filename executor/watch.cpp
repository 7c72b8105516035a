#include "executor/watch.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <thread>

#include "executor/asio.h"
#include "graph/error.h"
#include "graph/parse_number.h"

namespace headrace {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr auto kHeartbeat = std::chrono::milliseconds(100);

// What one process tells another: a letter, a number and a text, in a line.
//   d TEXT         doing, from any rank to rank 0
//   g STATUS TEXT  gives up, to rank 0
//   e STATUS       end now, from rank 0
//   l              leaves: the run is over
struct Word {
  char kind = 'd';
  int status = 0;
  std::string text = {};
};

std::string to_line(const Word& word) {
  std::string text = word.text;
  std::replace(text.begin(), text.end(), '\n', '\v');
  return fmt::format("{} {} {}\n", word.kind, word.status, text);
}

Word from_line(const std::string& line) {
  Word word;
  if (line.size() < 3) return word;
  word.kind = line[0];
  char* end = nullptr;
  word.status = static_cast<int>(std::strtol(line.c_str() + 2, &end, 10));
  word.text = *end == ' ' ? end + 1 : end;
  std::replace(word.text.begin(), word.text.end(), '\v', '\n');
  return word;
}

void say_to_user(const std::string& line) {
  if (line.empty()) return;
  fmt::print(stderr, "headrace: {}\n", line);
  std::fflush(stderr);
}

}  // namespace

class Watch::Member {
  // A socket with lines both ways.
  struct Peer {
    explicit Peer(asio::io_context& context) : socket(context) {}

    tcp::socket socket;
    asio::streambuf received;
    int rank = -1;
    bool left = false;
    std::string doing = "before its first step";
    Clock::time_point heard = Clock::now();

    void say(const Word& word) {
      boost::system::error_code lost;  // whoever reads from the socket sees that it is gone
      asio::write(socket, asio::buffer(to_line(word)), lost);
    }
  };

 public:
  Member(ProcessGroup& group, std::chrono::seconds timeout, std::function<std::string()> doing)
      : group_(group), timeout_(timeout), doing_(std::move(doing)), timer_(context_) {
    if (group_.rank() == 0)
      gather();
    else
      report_to_first();
    for (auto& peer : peers_) listen(*peer);
    beat();
    thread_ = std::thread([this] { context_.run(); });
  }

  // Together; the barrier before the sockets close lets nobody be missed.
  ~Member() {
    asio::post(context_, [this] {
      closing_ = true;
      for (auto& peer : peers_) peer->say({.kind = 'l'});
    });
    double one = 1;
    group_.sum({&one, 1});
    asio::post(context_, [this] { context_.stop(); });
    thread_.join();
  }

  [[noreturn]] void give_up(int status, const std::string& why) {
    // What is wrong with the call is wrong in all processes: rank 0 is to say it.
    if (group_.rank() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    asio::post(context_, [this, status, why] {
      if (group_.rank() == 0) end_all(status, why);
      peers_[0]->say({.kind = 'g', .status = status, .text = why});
    });
    // Rank 0 answers with the end; should it be gone, its silence ends this process.
    std::this_thread::sleep_for(std::chrono::seconds(5));
    say_to_user(why);
    _exit(status);
  }

 private:
  // Rank 0 listens on a port that it tells all others, together with a number that tells its
  // socket from a stranger's.
  void gather() {
    tcp::acceptor acceptor(context_, {tcp::v4(), 0});
    std::string where = fmt::format("{:016x} {}", secret(), acceptor.local_endpoint().port());
    for (const std::string& address : own_addresses()) where += " " + address;
    broadcast(group_, where, 0);
    const std::string number = where.substr(0, 16);
    while (peers_.size() + 1 < static_cast<size_t>(group_.size())) {
      auto peer = std::make_unique<Peer>(context_);
      acceptor.accept(peer->socket);
      std::string line = read_line(*peer);
      if (line.substr(0, 16) != number) continue;
      const auto rank =
          parse_number<int>(std::string_view(line).substr(std::min<size_t>(17, line.size())));
      if (!rank) continue;
      peer->rank = *rank;
      asio::write(peer->socket, asio::buffer(number + "\n"));
      peers_.push_back(std::move(peer));
    }
  }

  void report_to_first() {
    std::string where;
    broadcast(group_, where, 0);
    std::istringstream words(where);
    std::string number, port, address;
    words >> number >> port;
    while (words >> address) {
      auto peer = std::make_unique<Peer>(context_);
      boost::system::error_code error;
      const tcp::endpoint there{asio::ip::make_address_v4(address),
                                static_cast<unsigned short>(std::stoi(port))};
      if (peer->socket.connect(there, error)) continue;
      asio::write(peer->socket, asio::buffer(fmt::format("{} {}\n", number, group_.rank())), error);
      if (error || read_line(*peer) != number) continue;
      peer->rank = 0;
      peers_.push_back(std::move(peer));
      return;
    }
    throw RunError("rank {} cannot reach rank 0 (tried {})", group_.rank(), where.substr(17));
  }

  static uint64_t secret() {
    std::random_device random;
    return (uint64_t{random()} << 32) | random();
  }

  static std::vector<std::string> own_addresses() {
    std::vector<std::string> addresses;
    ifaddrs* interfaces = nullptr;
    if (getifaddrs(&interfaces) != 0) return {"127.0.0.1"};
    for (const ifaddrs* each = interfaces; each != nullptr; each = each->ifa_next) {
      if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
      const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
      addresses.push_back(asio::ip::make_address_v4(ntohl(address->sin_addr.s_addr)).to_string());
    }
    freeifaddrs(interfaces);
    return addresses;
  }

  static std::string read_line(Peer& peer) {
    boost::system::error_code error;
    asio::read_until(peer.socket, peer.received, '\n', error);
    return take_line(peer);
  }

  static std::string take_line(Peer& peer) {
    std::istream stream(&peer.received);
    std::string line;
    std::getline(stream, line);
    return line;
  }

  void listen(Peer& peer) {
    asio::async_read_until(peer.socket, peer.received, '\n',
                           [this, &peer](const boost::system::error_code& error, size_t) {
                             if (error) return lost(peer, "ended without a word (was it killed?)");
                             heard(peer, from_line(take_line(peer)));
                             listen(peer);
                           });
  }

  void heard(Peer& peer, const Word& word) {
    peer.heard = Clock::now();
    if (word.kind == 'd') peer.doing = word.text;
    if (word.kind == 'l') peer.left = true;
    if (word.kind == 'e') _exit(word.status);
    if (word.kind == 'g') end_all(word.status, fmt::format("rank {}: {}", peer.rank, word.text));
  }

  void lost(Peer& peer, const std::string& how) {
    if (closing_ || peer.left) return;
    const std::string line = fmt::format("rank {} {} {}; the training stops", peer.rank, how,
                                         peer.doing.empty() ? "" : peer.doing);
    if (group_.rank() == 0) end_all(1, line);
    if (group_.rank() == 1) say_to_user(line);
    _exit(1);
  }

  [[noreturn]] void end_all(int status, const std::string& line) {
    say_to_user(line);
    for (auto& peer : peers_) peer->say({.kind = 'e', .status = status});
    await_ends();
    _exit(status);
  }

  // A socket that is closed while something of its peer's is unread takes what was said last with
  // it, so the others go first; one that hangs does not hold this process up.
  void await_ends() {
    std::vector<pollfd> open;
    for (auto& peer : peers_)
      open.push_back({.fd = peer->socket.native_handle(), .events = POLLIN, .revents = 0});
    const auto deadline = Clock::now() + std::chrono::seconds(1);
    while (Clock::now() < deadline &&
           std::any_of(open.begin(), open.end(), [](const pollfd& each) { return each.fd >= 0; })) {
      poll(open.data(), open.size(), 50);
      for (pollfd& each : open) {
        char unread[4096];
        if (each.fd >= 0 && each.revents != 0 && recv(each.fd, unread, sizeof unread, 0) <= 0)
          each.fd = -1;  // poll passes over it
      }
    }
  }

  void beat() {
    for (auto& peer : peers_) {
      if (peer->left) continue;
      peer->say({.kind = 'd', .text = doing_()});
      if (Clock::now() - peer->heard > timeout_)
        lost(*peer, fmt::format("said nothing for {} s", timeout_.count()));
    }
    timer_.expires_after(kHeartbeat);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) beat();
    });
  }

  ProcessGroup& group_;
  const std::chrono::seconds timeout_;
  const std::function<std::string()> doing_;
  asio::io_context context_;
  asio::steady_timer timer_;
  std::vector<std::unique_ptr<Peer>> peers_;  // of rank 0 all others, else rank 0
  bool closing_ = false;
  std::thread thread_;
};

Watch::Watch(ProcessGroup& group, std::chrono::seconds timeout, std::function<std::string()> doing)
    : member_(group.size() == 1 ? nullptr
                                : std::make_unique<Member>(group, timeout, std::move(doing))) {}

Watch::~Watch() = default;

void Watch::give_up(int status, const std::string& why) {
  if (member_) member_->give_up(status, why);
  say_to_user(why);
  _exit(status);
}

}  // namespace headrace
