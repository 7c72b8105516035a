#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace headrace {

// A message between two processes that every step repeats. Memory is planned, so the address is
// known before the first step.
struct RemoteMessage {
  int peer = 0;       // the rank of the other process
  bool sends = true;  // to the peer; false: from it
  int tag = 0;        // equal on both sides, unlike all others of the queue
  void* data = nullptr;
  size_t bytes = 0;
};

// The messages of one plan on their way. Any thread calls, one at a time.
class MessageQueue {
 public:
  virtual ~MessageQueue() = default;
  // The message may go now (its bytes are ready) or come (its memory is free). Once per step.
  virtual void start(size_t message) = 0;
  // Appends those that are over since the last call. Never waits.
  virtual void poll(std::vector<size_t>& done) = 0;
};

// A stretch of a device's memory.
struct Block {
  void* data = nullptr;
  size_t bytes = 0;
};

// One way from a device of one process to a device of another, in the order of their queues
// (kernels/device.h): what one end sends is what the other receives next. The calls put their work
// on the lane that this end was made with.
class PeerChannel {
 public:
  virtual ~PeerChannel() = default;
  // Both ends name as many blocks of the same sizes.
  virtual void send(std::span<const Block> blocks) = 0;
  virtual void receive(std::span<const Block> blocks) = 0;
  // Throws RunError when the other end or the way to it is lost. From any thread.
  virtual void check() = 0;
  // What is under way ends, whatever bytes it brought; calls do nothing from now on. From any
  // thread.
  virtual void abort() = 0;
};

// Where a channel leads, and the lane of the end that is here; null where none is.
struct PeerChannelEnds {
  int from = 0, to = 0;  // ranks
  void* lane = nullptr;  // Lane::handle()
};

// The processes of one run, which all execute the same program: ranks 0 to size() - 1. A transport
// plugin implements it (plugins/transports/transport.h). The calls that say "together" are made by
// all processes in the same order; any thread may make them, one at a time. Errors of the transport
// are RunErrors.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Together: the bytes of `root` reach all.
  virtual void broadcast(void* data, size_t bytes, int root) = 0;
  // Together: every process gets the sums over all, element by element.
  virtual void sum(std::span<double> values) = 0;

  // Whether messages go between memories of the host, by `messages`, or of devices that have
  // queues, by `channels`. A group has one of the two.
  virtual bool between_queues() const = 0;
  // Together, each with its own ends of the messages.
  virtual std::unique_ptr<MessageQueue> messages(const std::vector<RemoteMessage>& /*messages*/) {
    return nullptr;
  }
  // Together, with the same channels in the same order; null for those without an end here.
  virtual std::vector<std::unique_ptr<PeerChannel>> channels(
      const std::vector<PeerChannelEnds>& /*ends*/) {
    return {};
  }

  // Which process runs a device of all: neighbours go together, every process has one at least if
  // there are enough.
  int owner(int device, int devices) const {
    return static_cast<int>(static_cast<int64_t>(device) * size() / devices);
  }
};

// A run of one process: nothing leaves it.
ProcessGroup& single_process();

// Together: `root`'s value reaches all.
void broadcast(ProcessGroup& group, std::string& text, int root);
template <typename T>
void broadcast(ProcessGroup& group, T& value, int root) {
  static_assert(std::is_trivially_copyable_v<T>);
  group.broadcast(&value, sizeof value, root);
}
template <typename T>
void broadcast(ProcessGroup& group, std::vector<T>& values, int root) {
  static_assert(std::is_trivially_copyable_v<T>);
  auto count = values.size();
  broadcast(group, count, root);
  values.resize(count);
  group.broadcast(values.data(), count * sizeof(T), root);
}
// Together: what `root` computes, in all processes.
template <typename Compute>
auto computed_by(ProcessGroup& group, int root, const Compute& compute) {
  decltype(compute()) value{};
  if (group.rank() == root) value = compute();
  broadcast(group, value, root);
  return value;
}

}  // namespace headrace
