#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "executor/communicator.h"
#include "graph/error.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;

// Larger messages go in pieces: transports count bytes in an int.
constexpr size_t kLongestMessage = size_t{1} << 30;

// A device that waits looks for arrivals itself, without a pause as long as most waits last. The
// mover's thread looks for all while none waits, so that large messages go on beside kernels, and
// rarely, since it may have to share a core with them: at 0.4 ms fashion-cnn's step over two
// processes takes 7 % longer than at 1 ms.
constexpr auto kWithoutPause = std::chrono::milliseconds(2);
constexpr auto kWaitersPause = std::chrono::microseconds(20);
constexpr auto kMoversPause = std::chrono::milliseconds(1);

// What goes to and comes from other processes. Whoever holds the mutex may call the queue of
// messages. Counters hold the step for which a thing last happened, so nothing is reset.
class RemoteLink : public Communicator {
 public:
  RemoteLink(ProcessGroup& group, int devices, std::vector<Transfer> transfers,
             std::chrono::seconds timeout)
      : timeout_(timeout), transfers_(std::move(transfers)), state_(transfers_.size()) {
    int here = 0;
    for (int d = 0; d < devices; ++d) here += group.owner(d, devices) == group.rank() ? 1 : 0;
    std::vector<Transfer> inside;
    std::vector<RemoteMessage> messages;
    int tag = 0;
    for (size_t t = 0; t < transfers_.size(); ++t) {
      const Transfer& transfer = transfers_[t];
      const int from = group.owner(transfer.from, devices), to = group.owner(transfer.to, devices);
      inside_.push_back(inside.size());
      remote_.push_back(from != to);
      if (from == to) {
        // Of other processes' own transfers only the number is kept.
        if (from == group.rank()) inside.push_back(transfer);
        continue;
      }
      for (const TransferPart& part : transfer.parts) {
        for (size_t begin = 0; begin < part.bytes; begin += kLongestMessage, ++tag) {
          if (from != group.rank() && to != group.rank()) continue;
          const bool sends = from == group.rank();
          auto* data = sends ? const_cast<void*>(part.source) : part.target;
          messages.push_back({.peer = sends ? to : from,
                              .sends = sends,
                              .tag = tag,
                              .data = static_cast<std::byte*>(data) + begin,
                              .bytes = std::min(part.bytes - begin, kLongestMessage)});
          transfer_of_.push_back(t);
          state_[t].messages.push_back(transfer_of_.size() - 1);
        }
      }
    }
    done_.reserve(messages.size());
    local_ = make_inproc_communicator(devices, std::move(inside), here);
    queue_ = group.messages(messages);
    mover_ = std::thread([this] { move(); });
  }

  ~RemoteLink() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    work_.notify_all();
    mover_.join();
  }

  void start_step() override {
    ++step_;
    local_->start_step();
  }

  void post_receive(size_t transfer) override {
    if (remote_[transfer])
      ask(transfer);
    else
      local_->post_receive(inside_[transfer]);
  }
  void start_send(size_t transfer) override {
    if (remote_[transfer])
      ask(transfer);
    else
      local_->start_send(inside_[transfer]);
  }
  void wait_receive(size_t transfer) override {
    if (remote_[transfer])
      wait(transfer);
    else
      local_->wait_receive(inside_[transfer]);
  }
  void wait_send(size_t transfer) override {
    if (remote_[transfer])
      wait(transfer);
    else
      local_->wait_send(inside_[transfer]);
  }

  void barrier(const std::function<void()>& together) override { local_->barrier(together); }

  void stop() override {
    local_->stop();
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

  Moved moved(size_t transfer) const override {
    if (!remote_[transfer]) return local_->moved(inside_[transfer]);
    return state_[transfer].moved;
  }

 private:
  struct State {
    std::vector<size_t> messages;
    size_t left = 0;   // of them, of this step
    int64_t done = 0;  // step
    Moved moved = {};
  };

  void ask(size_t transfer) {
    const std::lock_guard lock(mutex_);
    State& state = state_[transfer];
    state.left = state.messages.size();
    state.moved.start = Clock::now();
    for (const size_t message : state.messages) queue_->start(message);
    if (state.left == 0) finish(state);
    if (under_way_ == 0) work_.notify_one();
    under_way_ += state.left;
  }

  void wait(size_t transfer) {
    const auto began = Clock::now();
    while (!is_over(transfer)) {
      const auto waited = Clock::now() - began;
      if (waited > timeout_)
        throw RunError("waited {} s for {} (between device {} and device {})", timeout_.count(),
                       transfers_[transfer].name, transfers_[transfer].from,
                       transfers_[transfer].to);
      if (waited < kWithoutPause)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(kWaitersPause);
    }
  }

  bool is_over(size_t transfer) {
    const std::lock_guard lock(mutex_);
    const auto over = [&] { return state_[transfer].done == step_; };
    if (stopped_) throw Stopped{};
    if (error_) std::rethrow_exception(error_);
    if (!over()) look();
    return over();
  }

  void move() {
    std::unique_lock lock(mutex_);
    try {
      while (true) {
        work_.wait(lock, [&] { return closing_ || under_way_ > 0; });
        if (closing_) return;
        look();
        lock.unlock();
        std::this_thread::sleep_for(kMoversPause);
        lock.lock();
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void look() {
    done_.clear();
    queue_->poll(done_);
    for (const size_t message : done_) {
      State& state = state_[transfer_of_[message]];
      --under_way_;
      if (--state.left == 0) finish(state);
    }
  }

  void finish(State& state) {
    state.moved.end = Clock::now();
    state.done = step_;
  }

  const std::chrono::seconds timeout_;
  const std::vector<Transfer> transfers_;
  std::vector<size_t> inside_;  // index among the transfers within this process
  std::vector<bool> remote_;
  std::vector<size_t> transfer_of_;  // of a message
  std::unique_ptr<Communicator> local_;
  std::unique_ptr<MessageQueue> queue_;

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<State> state_;
  std::vector<size_t> done_;  // messages
  size_t under_way_ = 0;
  std::exception_ptr error_;
  bool stopped_ = false, closing_ = false;
  std::atomic<int64_t> step_ = 0;
  std::thread mover_;
};

}  // namespace

std::unique_ptr<Communicator> make_communicator(ProcessGroup& group, int devices,
                                                std::vector<Transfer> transfers,
                                                std::chrono::seconds timeout) {
  if (group.size() == 1) return make_inproc_communicator(devices, std::move(transfers));
  return std::make_unique<RemoteLink>(group, devices, std::move(transfers), timeout);
}

}  // namespace headrace
