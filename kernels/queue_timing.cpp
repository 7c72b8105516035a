#include "kernels/queue_timing.h"

namespace headrace {
namespace {

constexpr int kMostRuns = 32;
constexpr double kBudget_s = 0.03;

}  // namespace

double seconds_in_queue(DeviceQueue& queue, const std::function<void()>& ask, bool record) {
  const auto begin = queue.make_event(), end = queue.make_event();
  for (int runs = 2;; runs *= 2) {
    const auto ask_all = [&] {
      for (int run = 0; run < runs; ++run) ask();
    };
    const auto recording = record ? queue.recorded(ask_all) : nullptr;
    record = recording != nullptr;
    if (record) recording->replay();  // a recording's first time brings it to the device
    queue.record(*begin);
    record ? recording->replay() : ask_all();
    queue.record(*end);
    queue.synchronize();
    const double all_s =
        std::chrono::duration<double>(queue.passed(*end) - queue.passed(*begin)).count();
    if (all_s >= kBudget_s || 2 * runs > kMostRuns) return all_s / runs;
  }
}

}  // namespace headrace
