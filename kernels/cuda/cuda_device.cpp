#include "kernels/cuda/cuda_device.h"

#include <nvtx3/nvToolsExt.h>

#include <mutex>
#include <set>

#include "graph/error.h"
#include "kernels/cuda/chain.h"
#include "kernels/cuda/host_kernel.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/libraries.h"
#include "kernels/cuda/product_tuning.h"

namespace headrace::cuda {
namespace {

using Clock = std::chrono::steady_clock;

class CudaEvent : public Event {
 public:
  CudaEvent() { check(cudaEventCreate(&it_), "make an event"); }
  ~CudaEvent() override { cudaEventDestroy(it_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  cudaEvent_t get() const { return it_; }
  static cudaEvent_t of(const Event& event) { return static_cast<const CudaEvent&>(event).get(); }

 private:
  cudaEvent_t it_ = nullptr;
};

// One stream; kernels of this program never meet the legacy default stream.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&it_, cudaStreamNonBlocking), "make a stream"); }
  ~Stream() { cudaStreamDestroy(it_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return it_; }

 private:
  cudaStream_t it_ = nullptr;
};

// The device that a call is about, until the end of the block: the caller may be another's thread.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    check(cudaGetDevice(&before_), "ask for the device");
    check(cudaSetDevice(device), "take the device");
  }
  ~OnDevice() { cudaSetDevice(before_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

class CudaLane : public Lane {
 public:
  void* handle() const override { return stream_.get(); }

  void put(const Event& ready, Event& begun, Event& done,
           const std::function<void()>& ask) override {
    check(cudaStreamWaitEvent(stream_.get(), CudaEvent::of(ready)), "wait for an event");
    check(cudaEventRecord(CudaEvent::of(begun), stream_.get()), "record an event");
    ask();
    check(cudaEventRecord(CudaEvent::of(done), stream_.get()), "record an event");
  }

 private:
  Stream stream_;
};

class CudaGraph : public Recording {
 public:
  CudaGraph(cudaGraphExec_t graph, Queue queue) : graph_(graph), queue_(queue) {}
  ~CudaGraph() override { cudaGraphExecDestroy(graph_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  void replay() override { check(cudaGraphLaunch(graph_, queue_), "replay a stretch"); }

 private:
  cudaGraphExec_t graph_;
  Queue queue_;
};

class CudaQueue : public DeviceQueue {
 public:
  CudaQueue(int device, bool graphs, Staging& staging)
      : device_(device), graphs_(graphs), staging_(staging) {
    settle_clock();
  }

  Queue kernels() const { return kernels_.get(); }

  void synchronize() override {
    check(cudaStreamSynchronize(kernels_.get()), "wait for the device's kernels");
    check(cudaStreamSynchronize(copies_.get()), "wait for the device's copies");
    staging_.throw_failure();
    settle_clock();
  }

  std::unique_ptr<Event> make_event() override {
    const OnDevice here(device_);
    return std::make_unique<CudaEvent>();
  }

  std::unique_ptr<Lane> make_lane() override {
    const OnDevice here(device_);
    return std::make_unique<CudaLane>();
  }

  bool is_over(const Event& event) const override {
    const cudaError_t code = cudaEventQuery(CudaEvent::of(event));
    if (code != cudaErrorNotReady) check(code, "look at an event");
    return code == cudaSuccess;
  }

  void record(Event& event) override {
    check(cudaEventRecord(CudaEvent::of(event), kernels_.get()), "record an event");
  }

  void wait(const Event& event) override {
    check(cudaStreamWaitEvent(kernels_.get(), CudaEvent::of(event)), "wait for an event");
  }

  void copy(std::span<const Copy> parts, const Event& ready, const Event& free, Event& begun,
            Event& done) override {
    // Streams and events know their device: the calling thread keeps its own.
    const cudaStream_t queue = copies_.get();
    check(cudaStreamWaitEvent(queue, CudaEvent::of(ready)), "wait for a sender");
    check(cudaStreamWaitEvent(queue, CudaEvent::of(free)), "wait for a receiver");
    check(cudaEventRecord(CudaEvent::of(begun), queue), "record an event");
    for (const Copy& part : parts)
      check(cudaMemcpyAsync(part.target, part.source, part.bytes, cudaMemcpyDefault, queue),
            "copy between devices");
    check(cudaEventRecord(CudaEvent::of(done), queue), "record an event");
  }

  // From the moment at which both clocks were read, so that they have no time to drift apart.
  Clock::time_point passed(const Event& event) const override {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, CudaEvent::of(event), now_on_device_.get()),
          "read an event's time");
    return now_on_host_ - std::chrono::duration_cast<Clock::duration>(
                              std::chrono::duration<double, std::milli>(milliseconds));
  }

  std::unique_ptr<Recording> recorded(const std::function<void()>& ask) override {
    if (!graphs_) return nullptr;
    check(cudaStreamBeginCapture(kernels_.get(), cudaStreamCaptureModeThreadLocal),
          "begin to record");
    cudaGraph_t graph = nullptr;
    bool asked = true;
    try {
      ask();
    } catch (const RunError&) {
      asked = false;  // a library did what cannot be recorded; run as it is, it may be right
    }
    const bool ended = cudaStreamEndCapture(kernels_.get(), &graph) == cudaSuccess;
    cudaGraphExec_t executable = nullptr;
    if (asked && ended && cudaGraphInstantiate(&executable, graph, 0) != cudaSuccess)
      executable = nullptr;
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
    if (executable == nullptr) return nullptr;
    return std::make_unique<CudaGraph>(executable, kernels_.get());
  }

  void open_range(const char* name) override { nvtxRangePushA(name); }
  void close_range() override { nvtxRangePop(); }

 private:
  void settle_clock() {
    check(cudaEventRecord(now_on_device_.get(), kernels_.get()), "record an event");
    check(cudaEventSynchronize(now_on_device_.get()), "wait for an event");
    now_on_host_ = Clock::now();
  }

  const int device_;
  const bool graphs_;
  Staging& staging_;
  Stream kernels_, copies_;
  CudaEvent now_on_device_;
  Clock::time_point now_on_host_;
};

// What makes kernels take other times, for caches of measurements.
std::string to_string(const DeviceOptions& options) {
  std::string text = options.tf32 ? ", tf32" : "";
  if (!options.graphs) text += ", no graphs";
  if (options.most_workspace != kDefaultWorkspace)
    text += fmt::format(", workspace {}", options.most_workspace);
  if (options.choices) text += ", tuned";
  return text;
}

class CudaDevice : public Device {
 public:
  CudaDevice(int index, const DeviceOptions& options, std::unique_ptr<Device> host)
      : index_(taken(index)),
        name_(fmt::format("cuda:{}", index)),
        queue_(index, options.graphs, staging_),
        libraries_(queue_.kernels(), options.most_workspace),
        host_(std::move(host)),
        choices_(options.choices),
        context_{.queue = queue_.kernels(),
                 .tf32 = options.tf32,
                 .tuning = choices_ ? &tuning_ : nullptr,
                 .libraries = &libraries_,
                 .host = host_.get(),
                 .staging = &staging_,
                 .detours = &detours_} {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "read the device's properties");
    description_ = fmt::format("{}, sm_{}{}{}", properties.name, properties.major, properties.minor,
                               to_string(options));
    tuning_ = {.choices = choices_.get(),
               .queue = &queue_,
               .card = fmt::format("{}, sm_{}{}, {} multiprocessors, cuBLASLt {}", properties.name,
                                   properties.major, properties.minor,
                                   properties.multiProcessorCount, cublasLtGetVersion())};
    meet_peers();
  }

  ~CudaDevice() override {
    cudaSetDevice(index_);
    free_pinned(pinned_);
  }
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const std::string& name() const override { return name_; }
  std::string description() const override { return description_; }
  void bind_thread() override { taken(index_); }
  DeviceQueue* queue() override { return &queue_; }

  Buffer allocate(size_t bytes) override {
    taken(index_);
    void* data = nullptr;
    const cudaError_t code = cudaMalloc(&data, std::max<size_t>(bytes, 1));
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw RunError("{}: no memory for {} bytes", name_, bytes);
    }
    check(code, "allocate memory");
    clear(context_.queue, data, bytes);
    return Buffer(data, bytes, [](void* memory) { cudaFree(memory); });
  }

  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return cuda::propose_layouts(context_, request);
  }

  bool fuses(const KernelRequest& request) override {
    taken(index_);
    return fuses_attention(context_, request);
  }

  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    taken(index_);
    return cuda::prepare(context_, request, library_implementations(request.node->op));
  }

  bool chains(const KernelRequest& request) override { return cuda::chains(request); }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    return cuda::prepare_chain(context_, links);
  }

  std::set<std::string> detours() const override { return detours_; }

  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    taken(index_);
    const auto bytes = static_cast<size_t>(type.bytes());
    if (bytes == 0) return;
    void* pinned = pinned_memory(bytes);
    convert(type, {}, layout, host, pinned);
    copy_to_device(context_.queue, device, pinned, bytes);
    queue_.record(uploaded_);
  }

  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    taken(index_);
    const auto bytes = static_cast<size_t>(type.bytes());
    if (bytes == 0) return;
    void* pinned = pinned_memory(bytes);
    copy_to_host(context_.queue, pinned, device, bytes);
    wait_for(context_.queue);
    convert(type, layout, {}, pinned, host);
  }

 private:
  static int taken(int index) {
    check(cudaSetDevice(index), "take the device");
    return index;
  }

  // Copies between two devices of this process go straight where they can; where not, the driver
  // finds another way.
  void meet_peers() {
    static std::mutex mutex;
    static std::set<int> made;
    const std::lock_guard lock(mutex);
    for (const int other : made) {
      cudaSetDevice(index_);
      cudaDeviceEnablePeerAccess(other, 0);
      cudaSetDevice(other);
      cudaDeviceEnablePeerAccess(index_, 0);
    }
    cudaGetLastError();
    taken(index_);
    made.insert(index_);
  }

  // One buffer for what goes up and down, free once the last upload has left it.
  void* pinned_memory(size_t bytes) {
    check(cudaEventSynchronize(CudaEvent::of(uploaded_)), "wait for an upload");
    if (pinned_bytes_ < bytes) {
      free_pinned(pinned_);
      pinned_ = nullptr;
      pinned_bytes_ = (bytes + 63) / 64 * 64;
      pinned_ = allocate_pinned(pinned_bytes_);
    }
    return pinned_;
  }

  const int index_;
  std::string name_, description_;
  Staging staging_;
  CudaQueue queue_;
  Libraries libraries_;
  std::unique_ptr<Device> host_;
  std::shared_ptr<Choices> choices_;
  ProductTuning tuning_;
  std::set<std::string> detours_;
  CudaEvent uploaded_;
  void* pinned_ = nullptr;
  size_t pinned_bytes_ = 0;
  Context context_;
};

}  // namespace

int visible_devices(std::string& reason) {
  int count = 0;  // left as it is where no driver is found
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaGetLastError();
  int driver = 0;  // 0 where there is none
  cudaDriverGetVersion(&driver);
  if (code != cudaSuccess) {
    reason = driver == 0 ? "no NVIDIA driver is installed" : cudaGetErrorString(code);
    return 0;
  }
  if (count == 0) reason = "the driver shows no device";
  return count;
}

std::unique_ptr<Device> make_device(int index, const DeviceOptions& options,
                                    std::unique_ptr<Device> host) {
  return std::make_unique<CudaDevice>(index, options, std::move(host));
}

}  // namespace headrace::cuda
