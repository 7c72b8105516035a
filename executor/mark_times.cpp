#include "executor/mark_times.h"

namespace headrace {

void MarkTimes::prepare(DeviceQueue* queue, size_t marks) {
  queue_ = queue;
  if (queue_ == nullptr) {
    times_.resize(marks);
    return;
  }
  while (events_.size() < marks) events_.push_back(queue_->make_event());
}

void MarkTimes::mark(size_t index) {
  if (queue_ == nullptr)
    times_[index] = std::chrono::steady_clock::now();
  else
    queue_->record(*events_[index]);
}

double MarkTimes::seconds(size_t index, std::chrono::steady_clock::time_point start) const {
  const auto passed = queue_ == nullptr ? times_[index] : queue_->passed(*events_[index]);
  return std::chrono::duration<double>(passed - start).count();
}

}  // namespace headrace
