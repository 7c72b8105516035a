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
constexpr size_t kMostBytes = size_t{1} << 30;

// A thread that has nothing to do looks for arrivals this often: rarely enough to leave the cores
// to the kernels, often enough to be no part of a step's time.
constexpr auto kNap = std::chrono::microseconds(20);

// What goes to and comes from other processes. Devices put started transfers into `asked_`; the
// mover's thread alone touches the queue of messages. Counters hold the step for which a thing last
// happened, so nothing is reset.
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
        for (size_t begin = 0; begin < part.bytes; begin += kMostBytes, ++tag) {
          if (from != group.rank() && to != group.rank()) continue;
          const bool sends = from == group.rank();
          auto* data = sends ? const_cast<void*>(part.source) : part.target;
          messages.push_back({.peer = sends ? to : from,
                              .sends = sends,
                              .tag = tag,
                              .data = static_cast<std::byte*>(data) + begin,
                              .bytes = std::min(part.bytes - begin, kMostBytes)});
          transfer_of_.push_back(t);
          state_[t].messages.push_back(transfer_of_.size() - 1);
        }
      }
    }
    asked_.reserve(transfers_.size());
    taken_.reserve(transfers_.size());
    done_.reserve(messages.size());
    local_ = make_inproc_communicator(devices, std::move(inside), here);
    queue_ = group.messages(std::move(messages));
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
    over_.notify_all();
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
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(transfer);
    }
    work_.notify_one();
  }

  void wait(size_t transfer) {
    std::unique_lock lock(mutex_);
    const bool over = over_.wait_for(
        lock, timeout_, [&] { return state_[transfer].done == step_ || stopped_ || error_; });
    if (stopped_) throw Stopped{};
    if (error_) std::rethrow_exception(error_);
    if (!over)
      throw RunError("waited {} s for {} (between device {} and device {})", timeout_.count(),
                     transfers_[transfer].name, transfers_[transfer].from, transfers_[transfer].to);
  }

  void move() {
    try {
      while (carry_on()) {
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      over_.notify_all();
    }
  }

  // One round of the mover; false when the link is closed.
  bool carry_on() {
    {
      std::unique_lock lock(mutex_);
      if (under_way_ == 0) work_.wait(lock, [&] { return closing_ || !asked_.empty(); });
      if (closing_) return false;
      std::swap(asked_, taken_);
    }
    for (const size_t transfer : taken_) start(transfer);
    taken_.clear();
    done_.clear();
    queue_->poll(done_);
    for (const size_t message : done_) {
      State& state = state_[transfer_of_[message]];
      --under_way_;
      if (--state.left == 0) finish(state);
    }
    if (done_.empty()) std::this_thread::sleep_for(kNap);
    return true;
  }

  void start(size_t transfer) {
    State& state = state_[transfer];
    state.left = state.messages.size();
    state.moved.start = Clock::now();
    under_way_ += state.left;
    for (const size_t message : state.messages) queue_->start(message);
    if (state.left == 0) finish(state);
  }

  void finish(State& state) {
    state.moved.end = Clock::now();
    const std::lock_guard lock(mutex_);
    state.done = step_;
    over_.notify_all();
  }

  const std::chrono::seconds timeout_;
  const std::vector<Transfer> transfers_;
  std::vector<size_t> inside_;  // index among the transfers within this process
  std::vector<bool> remote_;
  std::vector<size_t> transfer_of_;  // of a message
  std::unique_ptr<Communicator> local_;
  std::unique_ptr<MessageQueue> queue_;

  std::mutex mutex_;
  std::condition_variable work_, over_;
  std::vector<size_t> asked_;
  std::vector<State> state_;
  std::exception_ptr error_;
  bool stopped_ = false, closing_ = false;
  std::atomic<int64_t> step_ = 0;

  // The mover's own.
  std::vector<size_t> taken_, done_;
  size_t under_way_ = 0;
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
