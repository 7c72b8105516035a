#include "executor/device_team.h"

#include "executor/communicator.h"

namespace headrace {

DeviceTeam::DeviceTeam(const std::vector<std::unique_ptr<Device>>& devices) {
  for (size_t d = 0; d < devices.size(); ++d)
    if (devices[d])
      threads_.emplace_back(
          [this, d, device = devices[d].get()] { serve(static_cast<int>(d), *device); });
}

DeviceTeam::~DeviceTeam() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  start_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void DeviceTeam::run(const std::function<void(int)>& task,
                     const std::function<void()>& on_failure) {
  std::unique_lock lock(mutex_);
  task_ = &task;
  on_failure_ = &on_failure;
  running_ = static_cast<int>(threads_.size());
  failed_ = false;
  error_ = nullptr;
  ++round_;
  start_.notify_all();
  finish_.wait(lock, [&] { return running_ == 0; });
  if (error_) std::rethrow_exception(error_);
}

void DeviceTeam::serve(int device, Device& self) {
  bool bound = false;
  int64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    start_.wait(lock, [&] { return closing_ || round_ != seen; });
    if (closing_) return;
    seen = round_;
    lock.unlock();
    std::exception_ptr error;
    bool stopped = false;
    try {
      if (!bound) self.bind_thread();
      bound = true;
      (*task_)(device);
    } catch (const Stopped&) {
      stopped = true;
    } catch (...) {
      error = std::current_exception();
    }
    if (error || stopped) {
      lock.lock();
      const bool first = !failed_;
      failed_ = true;
      if (error && !error_) error_ = error;
      lock.unlock();
      if (first) (*on_failure_)();
    }
    lock.lock();
    if (--running_ == 0) finish_.notify_all();
  }
}

}  // namespace headrace
