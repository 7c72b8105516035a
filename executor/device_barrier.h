#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace headrace {

// Where all devices of a process meet.
class DeviceBarrier {
 public:
  explicit DeviceBarrier(int devices) : devices_(devices) {}
  // The last to come runs `together` before any goes on. Throws Stopped after stop().
  void meet(const std::function<void()>& together);
  void stop();

 private:
  const int devices_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  int waiting_ = 0;
  int64_t round_ = 0;
  bool stopped_ = false;
};

}  // namespace headrace
