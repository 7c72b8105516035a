#include "plugins/transports/nccl_group.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <mutex>

#include "graph/error.h"

namespace headrace {
namespace {

// A message waits for its other end inside a kernel; so many blocks of it leave a GPU to the rest.
constexpr int kMostBlocks = 8;

void require(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw RunError("CUDA: {}: {}", what, cudaGetErrorString(code));
}

void require(ncclResult_t code, const char* what, ncclComm_t channel) {
  if (code == ncclSuccess) return;
  const std::string detail = ncclGetLastError(channel);
  throw RunError("NCCL: {}: {}{}{}", what, ncclGetErrorString(code), detail.empty() ? "" : ": ",
                 detail);
}

// The device of a stream, until the end of the block.
class OnDeviceOf {
 public:
  explicit OnDeviceOf(cudaStream_t stream) {
    int device = 0;
    require(cudaGetDevice(&before_), "ask for the device");
    require(cudaStreamGetDevice(stream, &device), "ask for a stream's device");
    require(cudaSetDevice(device), "take the device");
  }
  ~OnDeviceOf() { cudaSetDevice(before_); }
  OnDeviceOf(const OnDeviceOf&) = delete;
  OnDeviceOf& operator=(const OnDeviceOf&) = delete;

 private:
  int before_ = 0;
};

// One end of a communicator of two; the sender is its rank 0. After abort() there is none.
class NcclChannel : public PeerChannel {
 public:
  NcclChannel(const ncclUniqueId& id, bool sends, cudaStream_t stream)
      : stream_(stream), peer_(sends ? 1 : 0) {
    const OnDeviceOf here(stream_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.maxCTAs = kMostBlocks;
    require(ncclCommInitRankConfig(&comm_, 2, id, sends ? 0 : 1, &config), "open a channel",
            nullptr);
    try {
      connect(sends);
    } catch (...) {
      abort();
      throw;
    }
  }

  ~NcclChannel() override {
    if (comm_ != nullptr) ncclCommDestroy(comm_);
  }
  NcclChannel(const NcclChannel&) = delete;
  NcclChannel& operator=(const NcclChannel&) = delete;

  void send(std::span<const Block> blocks) override {
    together(blocks, [&](const Block& block) {
      return ncclSend(block.data, block.bytes, ncclInt8, peer_, comm_, stream_);
    });
  }
  void receive(std::span<const Block> blocks) override {
    together(blocks, [&](const Block& block) {
      return ncclRecv(block.data, block.bytes, ncclInt8, peer_, comm_, stream_);
    });
  }

  void check() override {
    const std::lock_guard lock(mutex_);
    if (comm_ == nullptr) return;
    ncclResult_t state = ncclSuccess;
    require(ncclCommGetAsyncError(comm_, &state), "look after a channel", comm_);
    if (state != ncclInProgress) require(state, "a channel broke", comm_);
  }

  void abort() override {
    const std::lock_guard lock(mutex_);
    if (comm_ != nullptr) ncclCommAbort(comm_);
    comm_ = nullptr;
  }

 private:
  // The first message makes both hosts wait for each other, which a message of a plan must not.
  void connect(bool sends) {
    void* memory = nullptr;
    require(cudaMalloc(&memory, 1), "allocate memory");
    const std::unique_ptr<void, cudaError_t (*)(void*)> byte(memory, cudaFree);
    const Block block{byte.get(), 1};
    if (sends)
      send({&block, 1});
    else
      receive({&block, 1});
    require(cudaStreamSynchronize(stream_), "connect a channel");
  }

  template <typename Move>
  void together(std::span<const Block> blocks, const Move& move) {
    const std::lock_guard lock(mutex_);
    if (comm_ == nullptr) return;
    require(ncclGroupStart(), "begin a message", comm_);
    ncclResult_t worst = ncclSuccess;
    for (const Block& block : blocks)
      if (const ncclResult_t code = move(block); code != ncclSuccess) worst = code;
    const ncclResult_t ended = ncclGroupEnd();
    require(worst, "a part of a message", comm_);
    require(ended, "a message", comm_);
  }

  const cudaStream_t stream_;
  const int peer_;
  std::mutex mutex_;
  ncclComm_t comm_ = nullptr;
};

class NcclGroup : public ProcessGroup {
 public:
  explicit NcclGroup(std::unique_ptr<ProcessGroup> control) : control_(std::move(control)) {}

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }
  void broadcast(void* data, size_t bytes, int root) override {
    control_->broadcast(data, bytes, root);
  }
  void sum(std::span<double> values) override { control_->sum(values); }
  bool between_queues() const override { return true; }

  // All open their ends in the order of the list, so the first that is not open yet has both of its
  // processes waiting for it.
  std::vector<std::unique_ptr<PeerChannel>> channels(
      const std::vector<PeerChannelEnds>& ends) override {
    std::vector<std::unique_ptr<PeerChannel>> channels;
    for (const PeerChannelEnds& each : ends) {
      ncclUniqueId id{};
      if (rank() == each.from) require(ncclGetUniqueId(&id), "name a channel", nullptr);
      headrace::broadcast(*this, id, each.from);
      channels.push_back(each.lane == nullptr
                             ? nullptr
                             : std::make_unique<NcclChannel>(id, rank() == each.from,
                                                             static_cast<cudaStream_t>(each.lane)));
    }
    return channels;
  }

 private:
  std::unique_ptr<ProcessGroup> control_;
};

}  // namespace

std::unique_ptr<ProcessGroup> make_nccl_group(std::unique_ptr<ProcessGroup> control) {
  return std::make_unique<NcclGroup>(std::move(control));
}

}  // namespace headrace
