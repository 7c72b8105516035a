#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace headrace {

// Device memory, 64-byte aligned, zeroed, freed by its destructor; the device outlives it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, size_t bytes, std::function<void(void*)> release)
      : data_(data, std::move(release)), bytes_(bytes) {}
  void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<void, std::function<void(void*)>> data_{nullptr, [](void*) {}};
  size_t bytes_ = 0;
};

// A point in the work of a device or of its copies: passed when what was asked for before is done.
class Event {
 public:
  virtual ~Event() = default;
};

// Bytes from one device's memory to another's, or within one.
struct Copy {
  const void* source = nullptr;
  void* target = nullptr;
  size_t bytes = 0;
};

// A queue beside a device's kernels, for messages that another library moves. Used by one thread at
// a time; what was put on it is over once somebody waited for its `done`.
class Lane {
 public:
  virtual ~Lane() = default;
  // The platform's own: a cudaStream_t.
  virtual void* handle() const = 0;
  // What `ask` puts on it, behind `ready` and between `begun` and `done`, which are recorded.
  virtual void put(const Event& ready, Event& begun, Event& done,
                   const std::function<void()>& ask) = 0;
};

// Work that was recorded once, to be asked for again as a whole.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
};

// How a device that works behind its caller's back is dealt with: its kernels run one after the
// other in the order in which they were asked for, and every call below returns at once but
// `synchronize`. Made and called on the device's own thread, where nothing else is said; failures
// are RunErrors, as a rule of a later call.
class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;
  // Until everything is done, copies out of this device included.
  virtual void synchronize() = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  // Behind the kernels asked for so far. The event may be of an earlier step.
  virtual void record(Event& event) = 0;
  // What is asked for from now on begins when the event, of any device of this kind, was passed as
  // recorded last.
  virtual void wait(const Event& event) = 0;
  // Copies on a queue of their own, one `copy` after the other: behind `ready` and `free`, between
  // `begun` and `done`, which it records. From any thread, one at a time.
  virtual void copy(std::span<const Copy> parts, const Event& ready, const Event& free,
                    Event& begun, Event& done) = 0;
  // The queue outlives it. From any thread.
  virtual std::unique_ptr<Lane> make_lane() = 0;
  // Whether an event was passed as recorded last. From any thread.
  virtual bool is_over(const Event& event) const = 0;
  // When an event was passed, as the host's clock has it. After everything is done.
  virtual std::chrono::steady_clock::time_point passed(const Event& event) const = 0;
  // The kernels that `ask` asks for, which do not run now and will find the same addresses; null
  // where this device cannot record.
  virtual std::unique_ptr<Recording> recorded(const std::function<void()>& ask) = 0;
  // What is asked for between the two shows under this name in the platform's profiler.
  virtual void open_range(const char* /*name*/) {}
  virtual void close_range() {}
};

// The layouts that a node would like, given how its inputs lie now.
struct LayoutProposal {
  std::vector<Layout>
      inputs;  // what the kernel wants; a Reorder is put where a value lies otherwise
  std::vector<Layout> outputs;  // what the kernel makes
};

// A node that reads, as its input `taken`, what the one before it in a chain makes.
struct ChainLink {
  KernelRequest request;
  size_t taken = 0;
};

// One device: it allocates, proposes layouts and prepares kernels. Made by a backend; used by one
// thread at a time.
class Device {
 public:
  virtual ~Device() = default;
  virtual const std::string& name() const = 0;  // "cpu:0"
  // What it is, for people and for caches of what was measured on it.
  virtual std::string description() const { return name(); }
  // Called once on the thread that will run this device's kernels.
  virtual void bind_thread() {}
  // Null: kernels are done when they return, and memory is the host's.
  virtual DeviceQueue* queue() { return nullptr; }
  virtual Buffer allocate(size_t bytes) = 0;
  virtual LayoutProposal propose_layouts(const KernelRequest& request) = 0;
  // Whether a node that would stand for several others, an Attention, has a kernel of this device's
  // own, and its gradient, too: else the others stay. Layouts are row-major.
  virtual bool fuses(const KernelRequest& /*request*/) { return false; }
  // The first implementation of an ordered list, fastest first, that takes the request. Null only
  // when `accumulate` is asked for and no implementation can; otherwise throws Error that lists why
  // each refused.
  virtual std::unique_ptr<Kernel> prepare(const KernelRequest& request) = 0;
  // Whether a node may stand in a chain: nodes that run as one kernel, each of which reads what the
  // one before makes and nobody else reads.
  virtual bool chains(const KernelRequest& /*request*/) { return false; }
  // The kernel of a chain of such nodes, with the bits of their kernels one after the other. Its
  // inputs are the nodes' in turn, without those that they take from each other; its output is the
  // last's. Null where the chain is too long or does not fit together.
  virtual std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> /*links*/) {
    return nullptr;
  }
  // Operators of kernels prepared so far that another device runs, with copies there and back.
  virtual std::set<std::string> detours() const { return {}; }
  // Row-major host bytes to and from a value of this layout, behind all kernels asked for before;
  // `host` may be reused at once, and is whole at once. Any thread, while no other uses the device.
  virtual void upload(const TensorType& type, const Layout& layout, const void* host,
                      void* device) = 0;
  virtual void download(const TensorType& type, const Layout& layout, const void* device,
                        void* host) = 0;
};

}  // namespace headrace
