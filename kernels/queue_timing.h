#pragma once

#include <functional>

#include "kernels/device.h"

namespace headrace {

// Seconds of the kernels that `ask` asks a queue for: the mean of many times that the queue holds
// at once. Where the device records, and `record` allows it, as a replayed recording, so that
// kernels shorter than asking for them are timed, too; else as they are asked for, one by one.
// `ask` was called before, since libraries may set themselves up the first time. On the queue's
// thread, and never within what is being recorded.
double seconds_in_queue(DeviceQueue& queue, const std::function<void()>& ask, bool record);

}  // namespace headrace
