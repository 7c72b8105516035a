#include "tests/pipelines/queued_device.h"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "tests/pipelines/forwarding_device.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;

// Tasks one after the other on a thread. After one threw, the rest are dropped, save those that
// pass events.
class Worker {
 public:
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void ask(std::function<void()> task, bool always = false) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back({std::move(task), always});
    changed_.notify_all();
  }

  // What a task threw.
  std::exception_ptr finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tasks_.empty() && !busy_; });
    return error_;
  }

 private:
  struct Task {
    std::function<void()> run;
    bool always;
  };

  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return closing_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      busy_ = true;
      const bool skip = error_ && !task.always;
      lock.unlock();
      std::exception_ptr error;
      try {
        if (!skip) task.run();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error) error_ = error;
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool busy_ = false, closing_ = false;
  std::exception_ptr error_;
  std::thread thread_{[this] { serve(); }};
};

class QueuedEvent : public Event {
 public:
  int64_t ask() { return ++asked_; }
  int64_t asked() const { return asked_; }

  void pass(int64_t version) {
    const std::lock_guard lock(mutex_);
    passed_ = version;
    at_ = Clock::now();
    changed_.notify_all();
  }
  bool is_over() const {
    const std::lock_guard lock(mutex_);
    return passed_ >= asked_;
  }
  void await(int64_t version) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passed_ >= version; });
  }
  Clock::time_point at() const {
    const std::lock_guard lock(mutex_);
    return at_;
  }

 private:
  std::atomic<int64_t> asked_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  int64_t passed_ = 0;
  Clock::time_point at_;
};

QueuedEvent& own(Event& event) { return static_cast<QueuedEvent&>(event); }
const QueuedEvent& own(const Event& event) { return static_cast<const QueuedEvent&>(event); }

void pass(Worker& worker, QueuedEvent& event) {
  worker.ask([&event, version = event.ask()] { event.pass(version); }, true);
}
void await(Worker& worker, const QueuedEvent& event) {
  worker.ask([&event, version = event.asked()] { event.await(version); }, true);
}

// The handle is where tasks are asked for, a HostLane.
class QueuedLane : public Lane {
 public:
  void* handle() const override { return &tasks_; }
  void put(const Event& ready, Event& begun, Event& done,
           const std::function<void()>& ask) override {
    await(worker_, own(ready));
    pass(worker_, own(begun));
    ask();
    pass(worker_, own(done));
  }

 private:
  Worker worker_;
  mutable HostLane tasks_ = [this](std::function<void()> task) { worker_.ask(std::move(task)); };
};

class HostQueue : public DeviceQueue {
 public:
  using Tasks = std::vector<std::function<void()>>;

  void kernel(std::function<void()> task) {
    if (recording_ != nullptr)
      recording_->push_back(std::move(task));
    else
      kernels_.ask(std::move(task));
  }

  void synchronize() override {
    const auto failed = kernels_.finish();
    copies_.finish();
    if (failed) std::rethrow_exception(failed);
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<QueuedEvent>(); }
  void record(Event& event) override { pass(kernels_, own(event)); }
  void wait(const Event& event) override { await(kernels_, own(event)); }
  void copy(std::span<const Copy> parts, const Event& ready, const Event& free, Event& begun,
            Event& done) override {
    await(copies_, own(ready));
    await(copies_, own(free));
    pass(copies_, own(begun));
    for (const Copy& part : parts)
      copies_.ask([part] { std::memcpy(part.target, part.source, part.bytes); });
    pass(copies_, own(done));
  }
  std::unique_ptr<Lane> make_lane() override { return std::make_unique<QueuedLane>(); }
  bool is_over(const Event& event) const override { return own(event).is_over(); }
  Clock::time_point passed(const Event& event) const override { return own(event).at(); }

  std::unique_ptr<Recording> recorded(const std::function<void()>& ask) override {
    Tasks tasks;
    recording_ = &tasks;
    ask();
    recording_ = nullptr;
    return std::make_unique<Replay>(*this, std::move(tasks));
  }

 private:
  class Replay : public Recording {
   public:
    Replay(HostQueue& queue, Tasks tasks) : queue_(queue), tasks_(std::move(tasks)) {}
    void replay() override {
      for (const auto& task : tasks_) queue_.kernel(task);
    }

   private:
    HostQueue& queue_;
    const Tasks tasks_;
  };

  Tasks* recording_ = nullptr;
  Worker kernels_, copies_;
};

class QueuedDevice : public ForwardingDevice {
 public:
  QueuedDevice(std::unique_ptr<Device> inner, std::function<void()> on_kernel)
      : ForwardingDevice(std::move(inner)), on_kernel_(std::move(on_kernel)) {
    queue_.kernel([this] { this->inner().bind_thread(); });
  }

  // Kernels have a thread of their own.
  void bind_thread() override {}
  DeviceQueue* queue() override { return &queue_; }
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    return queued(inner().prepare(request));
  }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    return queued(inner().prepare_chain(links));
  }
  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    queue_.synchronize();
    inner().upload(type, layout, host, device);
  }
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    queue_.synchronize();
    inner().download(type, layout, device, host);
  }

 private:
  class QueuedKernel : public ForwardingKernel {
   public:
    QueuedKernel(QueuedDevice& device, std::unique_ptr<Kernel> inner)
        : ForwardingKernel(std::move(inner)), device_(device) {}
    void run(const KernelArgs& args) const override {
      device_.queue_.kernel([this, inputs = std::vector(args.inputs.begin(), args.inputs.end()),
                             outputs = std::vector(args.outputs.begin(), args.outputs.end()),
                             workspace = args.workspace, step = *args.step] {
        if (device_.on_kernel_) device_.on_kernel_();
        ForwardingKernel::run({inputs, outputs, workspace, &step});
      });
    }

   private:
    QueuedDevice& device_;
  };

  std::unique_ptr<Kernel> queued(std::unique_ptr<Kernel> kernel) {
    if (kernel == nullptr) return nullptr;
    return std::make_unique<QueuedKernel>(*this, std::move(kernel));
  }

  std::function<void()> on_kernel_;
  HostQueue queue_;
};

}  // namespace

std::unique_ptr<Device> make_queued_device(std::unique_ptr<Device> inner,
                                           std::function<void()> on_kernel) {
  return std::make_unique<QueuedDevice>(std::move(inner), std::move(on_kernel));
}

}  // namespace headrace
