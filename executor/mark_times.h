#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "kernels/device.h"

namespace headrace {

// The moments at which a device came past marks in its program.
class MarkTimes {
 public:
  // Makes room for that many marks; `queue` null: the device works while its caller waits.
  void prepare(DeviceQueue* queue, size_t marks);
  void mark(size_t index);
  // Seconds since `start`, once everything is done.
  double seconds(size_t index, std::chrono::steady_clock::time_point start) const;

 private:
  DeviceQueue* queue_ = nullptr;
  std::vector<std::chrono::steady_clock::time_point> times_;
  std::vector<std::unique_ptr<Event>> events_;  // where there is a queue
};

}  // namespace headrace
