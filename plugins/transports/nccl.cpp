// GPUs of the processes that torchrun, srun or mpirun started (NCCL 2.28).

#include <cstdlib>

#include "graph/error.h"
#include "plugins/transports/launcher.h"
#include "plugins/transports/nccl_group.h"
#include "plugins/transports/socket_group.h"
#include "plugins/transports/transport.h"

namespace headrace {
namespace {

constexpr auto kPatience = std::chrono::minutes(2);  // for all processes to come up

std::unique_ptr<ProcessGroup> join() {
  const auto started = launched();
  if (!started)
    throw Error("--transport nccl: neither torchrun, srun nor mpirun started several processes");
  // With fewer queues of the hardware than streams, a stream that waits holds up another that it
  // has nothing to do with, and two GPUs each other. Read when a process first uses a GPU.
  setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0);
  // To load a kernel that is first asked for in mid-step may need all others to end, and messages
  // wait inside of kernels.
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  return make_nccl_group(make_socket_group(*started, kPatience));
}

}  // namespace
}  // namespace headrace

HEADRACE_DEFINE_TRANSPORT("nccl",
                          "GPUs of the processes that torchrun, srun or mpirun started, by NCCL.",
                          headrace::join)
