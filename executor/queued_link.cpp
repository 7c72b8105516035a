// Between devices that work behind their callers' backs. What is waited for here is only that the
// other side has asked, if it is in this process: the copy or the message itself is ordered among
// the devices' queues by events, so a program runs ahead of its device.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "executor/communicator.h"
#include "executor/device_barrier.h"
#include "executor/lanes.h"
#include "graph/error.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kWatchersPause = std::chrono::milliseconds(50);

// Transfers with their places at both ends, which the processes tell each other.
std::vector<Transfer> with_places(ProcessGroup& group, std::vector<Transfer> transfers) {
  std::vector<double> places;  // from 1 on; what is not known here is 0
  for (const Transfer& transfer : transfers) {
    places.push_back(transfer.sent + 1);
    places.push_back(transfer.posted + 1);
  }
  group.sum(places);
  for (size_t t = 0; t < transfers.size(); ++t) {
    transfers[t].sent = static_cast<int>(places[2 * t]) - 1;
    transfers[t].posted = static_cast<int>(places[2 * t + 1]) - 1;
  }
  return transfers;
}

class QueuedCommunicator : public Communicator {
 public:
  QueuedCommunicator(ProcessGroup& group, std::vector<DeviceQueue*> queues,
                     const std::vector<Transfer>& transfers, std::chrono::seconds timeout)
      : timeout_(timeout),
        queues_(std::move(queues)),
        senders_(queues_.size()),
        transfers_(transfers.size()),
        barrier_(static_cast<int>(std::ranges::count_if(queues_, [](auto* q) { return q; }))) {
    for (size_t t = 0; t < transfers.size(); ++t) settle(transfers_[t], transfers[t]);
    if (group.size() == 1) return;
    open_ways(group, transfers);
    watcher_ = std::thread([this] { watch(); });
  }

  // An error on its way out leaves peers in the midst of something, which a peaceful end would wait
  // for.
  ~QueuedCommunicator() override {
    if (std::uncaught_exceptions() > 0) stop();
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    closed_.notify_all();
    if (watcher_.joinable()) watcher_.join();
  }

  void start_step() override { ++step_; }

  void post_receive(size_t transfer) override {
    State& state = transfers_[transfer];
    queues_[state.to]->record(*state.free);
    if (state.way == nullptr) return ask(state, state.posted);
    put(state, *state.free, [&state] { state.way->channel->receive(state.blocks); });
  }

  void start_send(size_t transfer) override {
    State& state = transfers_[transfer];
    queues_[state.from]->record(*state.ready);
    if (state.way == nullptr) return ask(state, state.started);
    put(state, *state.ready, [&state] { state.way->channel->send(state.blocks); });
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
    // Side by side: ending one may wait for the device, which may be in the midst of another.
    std::vector<std::thread> aborts;
    for (const auto& way : ways_)
      aborts.emplace_back([channel = way->channel.get()] { channel->abort(); });
    for (std::thread& abort : aborts) abort.join();
  }

  void check() override {
    {
      const std::lock_guard lock(mutex_);
      if (error_) std::rethrow_exception(error_);
    }
    if (stopped_) throw Stopped{};
  }

  Moved moved(size_t transfer) const override {
    const State& state = transfers_[transfer];
    if (state.copied == 0 && state.asked_at == 0) return {};
    const DeviceQueue& queue = *queues_[state.home()];
    return {queue.passed(*state.begun), queue.passed(*state.done)};
  }

 private:
  // To or from one device of another process, in order.
  struct Way {
    std::unique_ptr<Lane> lane;
    std::unique_ptr<PeerChannel> channel;
  };
  struct State {
    std::string name;
    size_t from = 0, to = 0;
    bool sends = false, receives = false;  // here
    std::vector<Copy> parts;               // within this process
    std::vector<Block> blocks;             // of a message, the end that is here
    Way* way = nullptr;                    // of a message
    std::unique_ptr<Event> ready, free, begun, done;
    int64_t posted = 0, started = 0, copied = 0;  // steps for which it last happened
    std::atomic<Clock::rep> asked_at = 0;         // of a message
    Clock::rep seen = 0;                          // the last of these that the watcher found over

    size_t home() const { return sends ? from : to; }
  };
  // A device's copies are asked for one at a time, by whichever side comes second.
  struct Sender {
    std::mutex mutex;
    std::condition_variable asked;
  };

  void settle(State& state, const Transfer& transfer) {
    state.name = transfer.name;
    state.from = static_cast<size_t>(transfer.from);
    state.to = static_cast<size_t>(transfer.to);
    state.sends = queues_.at(state.from) != nullptr;
    state.receives = queues_.at(state.to) != nullptr;
    for (const TransferPart& part : transfer.parts) {
      if (part.bytes == 0) continue;
      if (state.sends && state.receives)
        state.parts.push_back({part.source, part.target, part.bytes});
      else
        state.blocks.push_back(
            {state.sends ? const_cast<void*>(part.source) : part.target, part.bytes});
    }
    if (state.sends) state.ready = queues_[state.from]->make_event();
    if (state.receives) state.free = queues_[state.to]->make_event();
    if (!state.sends && !state.receives) return;
    state.begun = queues_[state.home()]->make_event();
    state.done = queues_[state.home()]->make_event();
  }

  // One channel for each lane between devices of two processes, in the same order everywhere.
  void open_ways(ProcessGroup& group, const std::vector<Transfer>& transfers) {
    const int devices = static_cast<int>(queues_.size());
    std::vector<Transfer> between;
    std::vector<size_t> index;
    const std::vector<Transfer> placed = with_places(group, transfers);
    for (size_t t = 0; t < placed.size(); ++t) {
      if (group.owner(placed[t].from, devices) == group.owner(placed[t].to, devices)) continue;
      between.push_back(placed[t]);
      index.push_back(t);
    }
    const std::vector<int> lanes = lanes_of(between);
    std::map<std::tuple<int, int, int>, std::vector<size_t>> on_way;
    for (size_t b = 0; b < between.size(); ++b)
      on_way[{between[b].from, between[b].to, lanes[b]}].push_back(index[b]);

    std::vector<PeerChannelEnds> ends;
    std::vector<std::unique_ptr<Way>> ways;
    for (const auto& [key, carried] : on_way) {
      const auto [from, to, number] = key;
      const State& first = transfers_[carried.front()];
      auto way = std::make_unique<Way>();
      if (first.sends || first.receives) way->lane = queues_[first.home()]->make_lane();
      ends.push_back({.from = group.owner(from, devices),
                      .to = group.owner(to, devices),
                      .lane = way->lane ? way->lane->handle() : nullptr});
      ways.push_back(std::move(way));
    }
    auto channels = group.channels(ends);
    auto carried = on_way.begin();
    for (size_t w = 0; w < ways.size(); ++w, ++carried) {
      if (!channels[w]) continue;
      ways[w]->channel = std::move(channels[w]);
      for (const size_t t : carried->second) transfers_[t].way = ways[w].get();
      ways_.push_back(std::move(ways[w]));
    }
  }

  static void put(State& state, const Event& behind, const std::function<void()>& message) {
    state.way->lane->put(behind, *state.begun, *state.done, message);
    state.asked_at = Clock::now().time_since_epoch().count();
  }

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
    if (state.way == nullptr) {
      Sender& sender = senders_[state.from];
      std::unique_lock lock(sender.mutex);
      sender.asked.wait(lock, [&] { return state.copied == step_ || stopped_; });
    }
    if (stopped_) check();
    queues_[device]->wait(*state.done);
  }

  // Nothing waits for messages here, so somebody has to look whether they still come.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!closed_.wait_for(lock, kWatchersPause, [&] { return closing_; })) {
      try {
        for (const auto& way : ways_) way->channel->check();
        for (State& state : transfers_) expect(state);
      } catch (...) {
        error_ = std::current_exception();
        lock.unlock();
        stop();
        return;
      }
    }
  }

  // A program asks for a whole step ahead of its device, so a message is late when none of this
  // link has arrived for the time-out.
  void expect(State& state) {
    const Clock::rep asked_at = state.asked_at;
    if (state.way == nullptr || asked_at == state.seen) return;
    const Clock::duration now = Clock::now().time_since_epoch();
    if (queues_[state.home()]->is_over(*state.done)) {
      state.seen = asked_at;
      progress_ = now;
      return;
    }
    if (now - std::max(Clock::duration(asked_at), progress_) < timeout_) return;
    throw RunError("waited {} s for {} (between device {} and device {})", timeout_.count(),
                   state.name, state.from, state.to);
  }

  const std::chrono::seconds timeout_;
  const std::vector<DeviceQueue*> queues_;
  std::vector<Sender> senders_;
  std::vector<State> transfers_;
  std::vector<std::unique_ptr<Way>> ways_;
  DeviceBarrier barrier_;
  std::atomic<int64_t> step_ = 0;
  std::atomic<bool> stopped_ = false;

  std::mutex mutex_;
  std::condition_variable closed_;
  bool closing_ = false;
  std::exception_ptr error_;
  Clock::duration progress_{};  // when the watcher last found a message over
  std::thread watcher_;
};

}  // namespace

std::unique_ptr<Communicator> make_queued_communicator(ProcessGroup& group,
                                                       std::vector<DeviceQueue*> queues,
                                                       const std::vector<Transfer>& transfers,
                                                       std::chrono::seconds timeout) {
  return std::make_unique<QueuedCommunicator>(group, std::move(queues), transfers, timeout);
}

}  // namespace headrace
