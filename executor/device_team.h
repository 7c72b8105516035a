#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/device.h"

namespace headrace {

// One thread per device, alive as long as the team. The device is bound to its thread. Devices that
// are null have none.
class DeviceTeam {
 public:
  explicit DeviceTeam(const std::vector<std::unique_ptr<Device>>& devices);
  ~DeviceTeam();
  DeviceTeam(const DeviceTeam&) = delete;
  DeviceTeam& operator=(const DeviceTeam&) = delete;

  // Runs task(d) for every device d on its thread and waits for all. When one throws, `on_failure`
  // is called once, which must make the others return or throw; then the first error that is not
  // Stopped is rethrown.
  void run(const std::function<void(int)>& task, const std::function<void()>& on_failure);

 private:
  void serve(int device, Device& self);

  std::mutex mutex_;
  std::condition_variable start_, finish_;
  const std::function<void(int)>* task_ = nullptr;
  const std::function<void()>* on_failure_ = nullptr;
  int64_t round_ = 0;
  int running_ = 0;
  bool closing_ = false, failed_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace headrace
