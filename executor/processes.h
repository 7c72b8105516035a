#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "executor/process_group.h"
#include "scheduler/schedule.h"

namespace headrace {

// Where the devices of this process are in their programs, for other threads to ask at any time.
class Whereabouts {
 public:
  explicit Whereabouts(int devices);
  void begin(int64_t step) { step_.store(step, std::memory_order_relaxed); }
  void at(int device, const Action& action);
  // "in 2F0 on device 1, step 12"; devices that have not begun are not named.
  std::string text() const;

 private:
  std::atomic<int64_t> step_ = -1;
  std::vector<std::atomic<uint64_t>> action_;  // of a device, packed; 0: none
};

// What a run over several processes adds to one; the default is a single process.
struct Processes {
  ProcessGroup* group = &single_process();
  std::chrono::seconds timeout = std::chrono::minutes(5);  // of a transfer
  Whereabouts* whereabouts = nullptr;

  bool first() const { return group->rank() == 0; }
  bool has(int device, int devices) const { return group->owner(device, devices) == group->rank(); }
};

}  // namespace headrace
