// Stands in for NCCL and the few calls of CUDA that plugins/transports/nccl_group.cpp makes, so
// that what it asks of them can be watched where no GPU is. Streams are lanes of
// tests/pipelines/queued_device.h. As NCCL does, a communicator is made when both of its ranks have
// come, and a message lasts until it was received.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>

#include "tests/host_channel.h"

namespace {

using headrace::Block;
using headrace::HostLane;
using headrace::HostPipe;

struct Meeting {
  std::mutex mutex;
  std::condition_variable changed;
  int here = 0;
  std::shared_ptr<HostPipe> pipe = std::make_shared<HostPipe>();
};

std::shared_ptr<Meeting> meeting_of(const ncclUniqueId& id) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<Meeting>> meetings;
  const std::lock_guard lock(mutex);
  auto& meeting = meetings[std::string(id.internal, sizeof id.internal)];
  if (!meeting) meeting = std::make_shared<Meeting>();
  return meeting;
}

// What a thread asks for between ncclGroupStart and ncclGroupEnd.
struct Group {
  bool open = false;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  bool sends = false;
  std::vector<Block> blocks;
};
thread_local Group group;

// Messages under way on any stream. To abort a communicator waits for the whole device, as freeing
// memory does, so it must be told of all that are to end.
struct UnderWay {
  std::mutex mutex;
  std::condition_variable changed;
  int messages = 0;

  void add(int more) {
    const std::lock_guard lock(mutex);
    messages += more;
    changed.notify_all();
  }
  bool wait_for_none() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return messages == 0; });
  }
};
UnderWay under_way;

HostLane& lane_of(cudaStream_t stream) { return *reinterpret_cast<HostLane*>(stream); }

}  // namespace

struct ncclComm {
  std::shared_ptr<HostPipe> pipe;
  int rank = 0;
};

namespace {

ncclResult_t ask(void* data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t stream,
                 bool sends) {
  const bool first = group.blocks.empty();
  if (!group.open || bytes == 0 || peer == comm->rank ||
      (!first && (group.comm != comm || group.stream != stream || group.sends != sends)))
    return ncclInvalidUsage;
  group.comm = comm;
  group.stream = stream;
  group.sends = sends;
  group.blocks.push_back({data, bytes});
  return ncclSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaStreamGetDevice(cudaStream_t, int* device) { return cudaGetDevice(device); }
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  auto over = std::make_shared<std::promise<void>>();
  lane_of(stream)([over] { over->set_value(); });
  over->get_future().wait();
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t) { return "an error"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<uint64_t> next = 1;
  const uint64_t number = next++;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t*) {
  if (ranks != 2 || rank < 0 || rank > 1) return ncclInvalidArgument;
  const std::shared_ptr<Meeting> meeting = meeting_of(id);
  std::unique_lock lock(meeting->mutex);
  ++meeting->here;
  meeting->changed.notify_all();
  meeting->changed.wait(lock, [&] { return meeting->here == 2; });
  *comm = new ncclComm{meeting->pipe, rank};
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->pipe->abort();
  if (!under_way.wait_for_none()) {
    std::fprintf(stderr, "an abort waits for a message that nobody aborts\n");
    std::abort();
  }
  return ncclCommDestroy(comm);
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* state) {
  *state = ncclSuccess;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t) { return "an error"; }
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGroupStart() {
  if (group.open) return ncclInvalidUsage;
  group = {};
  group.open = true;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (!group.open) return ncclInvalidUsage;
  group.open = false;
  if (group.blocks.empty()) return ncclSuccess;
  under_way.add(1);
  lane_of(group.stream)([pipe = group.comm->pipe, sends = group.sends, blocks = group.blocks] {
    if (sends)
      pipe->send(blocks);
    else
      pipe->receive(blocks);
    under_way.add(-1);
  });
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclInt8) return ncclInvalidArgument;
  return ask(const_cast<void*>(data), count, peer, comm, stream, true);
}
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (type != ncclInt8) return ncclInvalidArgument;
  return ask(data, count, peer, comm, stream, false);
}
}
