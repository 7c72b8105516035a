#include "kernels/queue_timing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace headrace {
namespace {

// A device on a clock of the test's own: asking for a kernel takes the host `launch_s`, the kernel
// the device `kernel_s`, and the first replay of a recording the device `upload_s` on top.
class ClockedQueue : public DeviceQueue {
 public:
  double launch_s = 5e-6, kernel_s = 1e-6, upload_s = 0.1;
  bool records = true;
  int kernels = 0, recordings = 0;

  void ask_for_kernel() {
    if (recorded_ != nullptr) {
      ++*recorded_;
      return;
    }
    host_s_ += launch_s;
    run(1, 0);
  }

  void synchronize() override { host_s_ = std::max(host_s_, free_s_); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<At>(); }
  void record(Event& event) override {
    static_cast<At&>(event).seconds = std::max(host_s_, free_s_);
  }
  std::chrono::steady_clock::time_point passed(const Event& event) const override {
    return std::chrono::steady_clock::time_point() +
           std::chrono::nanoseconds(std::llround(1e9 * static_cast<const At&>(event).seconds));
  }
  std::unique_ptr<Recording> recorded(const std::function<void()>& ask) override {
    ++recordings;
    if (!records) return nullptr;
    int asked = 0;
    recorded_ = &asked;
    ask();
    recorded_ = nullptr;
    return std::make_unique<Replay>(*this, asked);
  }

  void wait(const Event&) override {}
  void copy(std::span<const Copy>, const Event&, const Event&, Event&, Event&) override {}
  std::unique_ptr<Lane> make_lane() override { return nullptr; }
  bool is_over(const Event&) const override { return true; }

 private:
  struct At : Event {
    double seconds = 0;
  };
  class Replay : public Recording {
   public:
    Replay(ClockedQueue& queue, int kernels) : queue_(queue), kernels_(kernels) {}
    void replay() override {
      queue_.host_s_ += queue_.launch_s;
      queue_.run(kernels_, is_new_ ? queue_.upload_s : 0);
      is_new_ = false;
    }

   private:
    ClockedQueue& queue_;
    const int kernels_;
    bool is_new_ = true;
  };

  void run(int count, double more_s) {
    kernels += count;
    free_s_ = std::max(host_s_, free_s_) + count * kernel_s + more_s;
  }

  double host_s_ = 1, free_s_ = 0;
  int* recorded_ = nullptr;
};

double timed(ClockedQueue& queue, bool record) {
  return seconds_in_queue(
      queue, [&] { queue.ask_for_kernel(); }, record);
}

TEST(QueueTiming, ShortKernelsAreTimedAsTheDeviceRunsThem) {
  ClockedQueue queue;
  EXPECT_NEAR(timed(queue, true), queue.kernel_s, 1e-8);
  EXPECT_GT(queue.recordings, 0);
}

TEST(QueueTiming, WhereNothingIsRecordedAskingTakesItsTime) {
  ClockedQueue cannot;
  cannot.records = false;
  EXPECT_NEAR(timed(cannot, true), cannot.launch_s, 1e-6);
  EXPECT_EQ(cannot.recordings, 1) << "a device that cannot record is asked once";
  ClockedQueue may_not;
  EXPECT_NEAR(timed(may_not, false), may_not.launch_s, 1e-6);
  EXPECT_EQ(may_not.recordings, 0);
}

TEST(QueueTiming, LongKernelsRunAFewTimes) {
  ClockedQueue queue;
  queue.kernel_s = 0.02;
  EXPECT_NEAR(timed(queue, true), queue.kernel_s, 1e-6);
  EXPECT_EQ(queue.kernels, 4);
}

}  // namespace
}  // namespace headrace
