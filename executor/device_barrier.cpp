#include "executor/device_barrier.h"

#include "executor/communicator.h"

namespace headrace {

void DeviceBarrier::meet(const std::function<void()>& together) {
  std::unique_lock lock(mutex_);
  const int64_t round = round_;
  if (++waiting_ == devices_) {
    together();
    waiting_ = 0;
    ++round_;
    all_here_.notify_all();
  }
  all_here_.wait(lock, [&] { return round_ != round || stopped_; });
  if (stopped_) throw Stopped{};
}

void DeviceBarrier::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  all_here_.notify_all();
}

}  // namespace headrace
