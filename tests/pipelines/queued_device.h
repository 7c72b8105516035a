#pragma once

#include <functional>
#include <memory>

#include "kernels/device.h"

namespace headrace {

// What stands behind Lane::handle() of these devices: asks for a task on the lane's thread.
using HostLane = std::function<void(std::function<void()>)>;

// `inner` as a device that works behind its caller's back, as GPUs do: its kernels run on a thread
// of its own, its copies on another, and what they have to wait for are events. `on_kernel` is
// called before each kernel there.
std::unique_ptr<Device> make_queued_device(std::unique_ptr<Device> inner,
                                           std::function<void()> on_kernel = {});

}  // namespace headrace
