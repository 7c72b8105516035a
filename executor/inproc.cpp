#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "executor/communicator.h"
#include "executor/device_barrier.h"
#include "graph/error.h"

namespace headrace {
namespace {

// One sending device's queue: what is asked of it and what is done, and the thread that copies.
// Counters hold the number of the step for which a thing last happened, so nothing is reset.
class SendQueue {
 public:
  void add(size_t transfer) { mine_.push_back(transfer); }
  std::mutex mutex;
  std::condition_variable work, done;

  const std::vector<size_t>& transfers() const { return mine_; }

 private:
  std::vector<size_t> mine_;
};

class InprocCommunicator : public Communicator {
 public:
  InprocCommunicator(int devices, int here, std::vector<Transfer> transfers)
      : transfers_(std::move(transfers)),
        state_(transfers_.size()),
        moved_(transfers_.size()),
        queues_(static_cast<size_t>(devices)),
        barrier_(here) {
    for (size_t t = 0; t < transfers_.size(); ++t) {
      HEADRACE_CHECK(transfers_[t].from >= 0 && transfers_[t].from < devices);
      HEADRACE_CHECK(transfers_[t].to >= 0 && transfers_[t].to < devices);
      queue_of(t).add(t);
    }
    for (auto& queue : queues_)
      if (!queue.transfers().empty()) threads_.emplace_back([this, &queue] { serve(queue); });
  }

  ~InprocCommunicator() override {
    for (auto& queue : queues_) {
      const std::lock_guard lock(queue.mutex);
      closing_ = true;
      queue.work.notify_all();
    }
    for (auto& thread : threads_) thread.join();
  }

  void start_step() override { ++step_; }

  void post_receive(size_t transfer) override { mark(transfer, &State::posted); }
  void start_send(size_t transfer) override { mark(transfer, &State::ready); }
  void wait_receive(size_t transfer) override { wait(transfer); }
  void wait_send(size_t transfer) override { wait(transfer); }

  Moved moved(size_t transfer) const override { return moved_[transfer]; }

  void barrier(const std::function<void()>& together) override { barrier_.meet(together); }

  void stop() override {
    stopped_ = true;
    for (auto& queue : queues_) {
      const std::lock_guard lock(queue.mutex);
      queue.done.notify_all();
    }
    barrier_.stop();
  }

 private:
  struct State {
    int64_t posted = 0, ready = 0, done = 0;  // steps
  };

  SendQueue& queue_of(size_t transfer) {
    return queues_[static_cast<size_t>(transfers_[transfer].from)];
  }

  void mark(size_t transfer, int64_t State::*what) {
    SendQueue& queue = queue_of(transfer);
    const std::lock_guard lock(queue.mutex);
    State& state = state_[transfer];
    state.*what = step_;
    if (state.posted == step_ && state.ready == step_) queue.work.notify_one();
  }

  void wait(size_t transfer) {
    SendQueue& queue = queue_of(transfer);
    std::unique_lock lock(queue.mutex);
    queue.done.wait(lock, [&] { return state_[transfer].done == step_ || stopped_; });
    if (stopped_) throw Stopped{};
  }

  const size_t* next_movable(const SendQueue& queue) const {
    for (const size_t& t : queue.transfers()) {
      const State& s = state_[t];
      if (s.done != step_ && s.posted == step_ && s.ready == step_) return &t;
    }
    return nullptr;
  }

  void serve(SendQueue& queue) {
    std::unique_lock lock(queue.mutex);
    while (true) {
      const size_t* next = nullptr;
      queue.work.wait(lock, [&] { return closing_ || (next = next_movable(queue)) != nullptr; });
      if (closing_) return;
      lock.unlock();
      moved_[*next].start = std::chrono::steady_clock::now();
      for (const TransferPart& part : transfers_[*next].parts)
        std::memcpy(part.target, part.source, part.bytes);
      moved_[*next].end = std::chrono::steady_clock::now();
      lock.lock();
      state_[*next].done = step_;
      queue.done.notify_all();
    }
  }

  const std::vector<Transfer> transfers_;
  std::vector<State> state_;
  std::vector<Moved> moved_;
  std::vector<SendQueue> queues_;
  std::vector<std::thread> threads_;
  std::atomic<int64_t> step_ = 0;
  std::atomic<bool> stopped_ = false, closing_ = false;
  DeviceBarrier barrier_;
};

}  // namespace

std::unique_ptr<Communicator> make_inproc_communicator(int devices, std::vector<Transfer> transfers,
                                                       std::optional<int> here) {
  return std::make_unique<InprocCommunicator>(devices, here.value_or(devices),
                                              std::move(transfers));
}

}  // namespace headrace
