// Between devices that work behind their callers' backs. What is waited for here is only that the
// other side has asked: the copy itself is ordered among the devices' queues by events, so a
// program runs ahead of its device.

#include <condition_variable>
#include <mutex>

#include "executor/communicator.h"
#include "executor/device_barrier.h"
#include "graph/error.h"

namespace headrace {
namespace {

class QueuedCommunicator : public Communicator {
 public:
  QueuedCommunicator(std::vector<DeviceQueue*> queues, const std::vector<Transfer>& transfers)
      : queues_(std::move(queues)),
        senders_(queues_.size()),
        transfers_(transfers.size()),
        barrier_(static_cast<int>(queues_.size())) {
    for (size_t t = 0; t < transfers.size(); ++t) {
      State& state = transfers_[t];
      state.from = static_cast<size_t>(transfers[t].from);
      state.to = static_cast<size_t>(transfers[t].to);
      for (const TransferPart& part : transfers[t].parts)
        state.parts.push_back({part.source, part.target, part.bytes});
      DeviceQueue& from = *queues_.at(state.from);
      state.ready = from.make_event();
      state.begun = from.make_event();
      state.done = from.make_event();
      state.free = queues_.at(state.to)->make_event();
    }
  }

  void start_step() override { ++step_; }

  void post_receive(size_t transfer) override {
    State& state = transfers_[transfer];
    queues_[state.to]->record(*state.free);
    ask(state, state.posted);
  }
  void start_send(size_t transfer) override {
    State& state = transfers_[transfer];
    queues_[state.from]->record(*state.ready);
    ask(state, state.started);
  }
  void wait_receive(size_t transfer) override { wait(transfers_[transfer].to, transfer); }
  void wait_send(size_t transfer) override { wait(transfers_[transfer].from, transfer); }

  void barrier(const std::function<void()>& together) override { barrier_.meet(together); }

  void stop() override {
    stopped_ = true;
    for (Sender& sender : senders_) {
      const std::lock_guard lock(sender.mutex);
      sender.asked.notify_all();
    }
    barrier_.stop();
  }

  Moved moved(size_t transfer) const override {
    const State& state = transfers_[transfer];
    if (state.copied == 0) return {};
    const DeviceQueue& from = *queues_[state.from];
    return {from.passed(*state.begun), from.passed(*state.done)};
  }

 private:
  struct State {
    size_t from = 0, to = 0;
    std::vector<Copy> parts;
    std::unique_ptr<Event> ready, free, begun, done;
    int64_t posted = 0, started = 0, copied = 0;  // steps for which it last happened
  };
  // A device's copies are asked for one at a time, by whichever side comes second.
  struct Sender {
    std::mutex mutex;
    std::condition_variable asked;
  };

  void ask(State& state, int64_t& what) {
    Sender& sender = senders_[state.from];
    const std::lock_guard lock(sender.mutex);
    what = step_;
    if (state.posted != step_ || state.started != step_) return;
    queues_[state.from]->copy(state.parts, *state.ready, *state.free, *state.begun, *state.done);
    state.copied = step_;
    sender.asked.notify_all();
  }

  void wait(size_t device, size_t transfer) {
    const State& state = transfers_[transfer];
    Sender& sender = senders_[state.from];
    {
      std::unique_lock lock(sender.mutex);
      sender.asked.wait(lock, [&] { return state.copied == step_ || stopped_; });
    }
    if (stopped_) throw Stopped{};
    queues_[device]->wait(*state.done);
  }

  const std::vector<DeviceQueue*> queues_;
  std::vector<Sender> senders_;
  std::vector<State> transfers_;
  DeviceBarrier barrier_;
  std::atomic<int64_t> step_ = 0;
  std::atomic<bool> stopped_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_queued_communicator(std::vector<DeviceQueue*> queues,
                                                       const std::vector<Transfer>& transfers) {
  return std::make_unique<QueuedCommunicator>(std::move(queues), transfers);
}

}  // namespace headrace
