#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/process_group.h"
#include "kernels/device.h"

namespace headrace {

// One message that a plan repeats every step: bytes that a sender's device holds and a receiver's
// device wants. Memory is planned, so both addresses are known before the first step. The end that
// another process holds is null.
struct TransferPart {
  const void* source = nullptr;
  void* target = nullptr;
  size_t bytes = 0;
};
struct Transfer {
  int from = 0, to = 0;  // devices
  std::vector<TransferPart> parts;
  std::string name = {};  // for messages: "activations of micro-batch 3 from stage 0 to stage 1"
  // Its place among the sends of `from`'s program and the posts of `to`'s; -1: in another process,
  // or nobody asks.
  int sent = -1, posted = -1;
};

// Thrown out of a wait when another device failed; that device's error is the one to report.
struct Stopped {};

// Moves the transfers of a plan, once each per step, in the manner of MPI's persistent requests.
// Each device's thread calls only the side that is its own. Sending never holds up the caller:
// transfers go in a queue of their own per sending device, and the first whose bytes are ready and
// whose receive is posted goes next.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual void start_step() = 0;                   // once per step, before any device runs
  virtual void post_receive(size_t transfer) = 0;  // `target` may be written from now on
  virtual void start_send(size_t transfer) = 0;    // `source` holds its bytes
  virtual void wait_receive(size_t transfer) = 0;  // until `target` holds the bytes
  virtual void wait_send(size_t transfer) = 0;     // until `source` may be overwritten
  // All devices of this process meet; the last to come runs `together` before any goes on.
  virtual void barrier(const std::function<void()>& together) = 0;
  virtual void stop() = 0;  // every wait, now and later, throws Stopped
  // Where waiting is left to devices' queues: throws what went wrong with messages since. After the
  // queue's synchronize().
  virtual void check() {}

  // When the bytes of a transfer were under way in the last step, for whoever looks at that step
  // after its end; both the same where a communicator does not know.
  struct Moved {
    std::chrono::steady_clock::time_point start = {}, end = {};
  };
  virtual Moved moved(size_t /*transfer*/) const { return {}; }
};

// Between the threads of one process: those of all devices, or of `here` of them.
std::unique_ptr<Communicator> make_inproc_communicator(int devices, std::vector<Transfer> transfers,
                                                       std::optional<int> here = {});

// Between devices that have queues, all of one kind: within this process by copies, and with others
// by channels. Null stands for other processes' devices. Waiting is then the devices' affair: the
// calls return when the copy or the message has been asked for. When no message arrives for the
// time-out though one is due, or a channel is lost, that is a RunError of check(). Together.
std::unique_ptr<Communicator> make_queued_communicator(ProcessGroup& group,
                                                       std::vector<DeviceQueue*> queues,
                                                       const std::vector<Transfer>& transfers,
                                                       std::chrono::seconds timeout);

// Between all devices of a group: within this process as above, and with others by messages that a
// thread of its own moves on. A transfer that takes longer than the time-out is a RunError in the
// device that waits for it. Together (process_group.h).
std::unique_ptr<Communicator> make_communicator(ProcessGroup& group, int devices,
                                                std::vector<Transfer> transfers,
                                                std::chrono::seconds timeout);

}  // namespace headrace
