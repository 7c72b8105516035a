#pragma once

#include <algorithm>
#include <cstdint>
#ifdef HEADRACE_CUDA_TWIN
#include <ucontext.h>

#include <cstring>
#include <type_traits>
#include <vector>
#endif

#include "kernels/cuda/queue.h"
#include "kernels/host_device.h"

// The two shapes in which this backend's own kernels run. A kernel's body is a struct of plain
// values with a call operator marked HEADRACE_HOST_DEVICE, which never waits for others but through
// its Team.
namespace headrace::cuda {

// HEADRACE_TEAM_FUNCTION marks a body's function that takes a Team. A loop behind HEADRACE_UNROLL
// is written out, so that arrays that it numbers can be registers; a HEADRACE_CALLED function is
// not.
#ifdef __CUDACC__
#define HEADRACE_TEAM_FUNCTION __device__
#define HEADRACE_UNROLL _Pragma("unroll")
#define HEADRACE_CALLED __noinline__
#else
#define HEADRACE_TEAM_FUNCTION
#define HEADRACE_UNROLL
#define HEADRACE_CALLED
#endif

struct Plus {
  HEADRACE_HOST_DEVICE double operator()(double a, double b) const { return a + b; }
};

// A team of one, for functions that a single thread runs as well.
struct Alone {
  static constexpr int rank = 0, size = 1;
  template <typename T, typename Combine>
  HEADRACE_HOST_DEVICE T combine(T own, const Combine&) const {
    return own;
  }
  HEADRACE_HOST_DEVICE double sum(double own) const { return own; }
};

#ifdef HEADRACE_CUDA_TWIN

// Three members, so that what a team must share out and bring together is put to the test. They
// take turns on one thread: each runs until it waits for the others.
class Team {
 public:
  static constexpr int size = 3;
  struct Shared {
    static constexpr size_t kLargest = 16, kStack = size_t{1} << 17;
    unsigned char of[size][kLargest];
    ucontext_t member[size], caller;
    std::vector<unsigned char> stacks = std::vector<unsigned char>(size * kStack);
  };
  int rank;

  Team(int rank, Shared& shared) : rank(rank), shared_(shared) {}
  template <typename T, typename Combine>
  T combine(T own, const Combine& two) const {
    static_assert(sizeof(T) <= Shared::kLargest && std::is_trivially_copyable_v<T>);
    std::memcpy(shared_.of[rank], &own, sizeof(T));
    wait();
    T all, next;
    std::memcpy(&all, shared_.of[0], sizeof(T));
    for (int other = 1; other < size; ++other) {
      std::memcpy(&next, shared_.of[other], sizeof(T));
      all = two(all, next);
    }
    wait();
    return all;
  }
  double sum(double own) const { return combine(own, Plus{}); }
  // When it is this member's turn again, all others have come as far.
  void wait() const { swapcontext(&shared_.member[rank], &shared_.member[(rank + 1) % size]); }

 private:
  Shared& shared_;
};

template <typename Each>
void for_each(Queue, int64_t count, const Each& each) {
  for (int64_t i = 0; i < count; ++i) each(i);
}

template <typename Row>
void for_each_row(Queue, int64_t rows, int64_t /*length*/, const Row& row) {
  static thread_local Team::Shared shared;
  // makecontext passes numbers only.
  static thread_local const Row* body;
  static thread_local int64_t count;
  body = &row;
  count = rows;
  void (*run)(int) = [](int rank) {
    for (int64_t r = 0; r < count; ++r) (*body)(r, Team(rank, shared));
  };
  for (int rank = 0; rank < Team::size; ++rank) {
    ucontext_t& member = shared.member[rank];
    getcontext(&member);
    member.uc_stack.ss_sp = shared.stacks.data() + static_cast<size_t>(rank) * Team::Shared::kStack;
    member.uc_stack.ss_size = Team::Shared::kStack;
    member.uc_link = rank + 1 < Team::size ? &shared.member[rank + 1] : &shared.caller;
    makecontext(&member, reinterpret_cast<void (*)()>(run), 1, rank);
  }
  swapcontext(&shared.caller, &shared.member[0]);
}

#else

inline constexpr int kBlock = 256;

#ifdef __CUDACC__

// The threads of one block, which share a row. What `combine` makes of all their values reaches all
// of them, in an order that only the block's size decides; all must ask for it alike.
struct Team {
  int rank, size;

  template <typename T, typename Combine>
  __device__ T combine(T own, const Combine& two) const {
    __shared__ T of_warp[kBlock / 32];
    for (int step = 16; step > 0; step /= 2) own = two(own, from_lane(own, step));
    __syncthreads();  // whoever still reads the last result
    if (rank % 32 == 0) of_warp[rank / 32] = own;
    __syncthreads();
    T all = of_warp[0];
    for (int warp = 1; warp < size / 32; ++warp) all = two(all, of_warp[warp]);
    return all;
  }
  __device__ double sum(double own) const { return combine(own, Plus{}); }
  // Until all of the team are here; what they wrote before is seen by all.
  __device__ void wait() const { __syncthreads(); }

 private:
  // The value of the lane whose number differs in one bit, by words of 32 bits.
  template <typename T>
  __device__ static T from_lane(const T& own, int bit) {
    constexpr int kWords = sizeof(T) / sizeof(unsigned);
    static_assert(kWords * sizeof(unsigned) == sizeof(T));
    unsigned words[kWords];
    memcpy(words, &own, sizeof(T));
    for (unsigned& word : words) word = __shfl_xor_sync(~0u, word, bit);
    T other;
    memcpy(&other, words, sizeof(T));
    return other;
  }
};

template <typename Each>
__global__ void __launch_bounds__(kBlock) run_each(int64_t count, Each each) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step)
    each(i);
}

template <typename Row>
__global__ void __launch_bounds__(kBlock) run_rows(int64_t rows, Row row) {
  const Team team{static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x)};
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) row(r, team);
}

template <typename... Parameters, typename... Args>
void launch(Queue queue, int64_t blocks, int threads, void (*kernel)(Parameters...),
            const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = queue;
  check(cudaLaunchKernelEx(&config, kernel, args...), "launch a kernel");
}

// each(i) for every i below count, in any order.
template <typename Each>
void for_each(Queue queue, int64_t count, const Each& each) {
  if (count == 0) return;
  constexpr int64_t kMostBlocks = 1 << 16;
  const int64_t blocks = std::min((count + kBlock - 1) / kBlock, kMostBlocks);
  launch(queue, blocks, kBlock, run_each<Each>, count, each);
}

// row(r, team) for every row, by a team of threads that suits rows of this length: the function
// walks its row with `for (i = team.rank; i < length; i += team.size)`.
template <typename Row>
void for_each_row(Queue queue, int64_t rows, int64_t length, const Row& row) {
  if (rows == 0) return;
  constexpr int64_t kMostBlocks = 1 << 16;
  const int threads = length <= 32 ? 32 : length <= 128 ? 128 : kBlock;
  launch(queue, std::min(rows, kMostBlocks), threads, run_rows<Row>, rows, row);
}

#endif  // __CUDACC__
#endif  // HEADRACE_CUDA_TWIN

}  // namespace headrace::cuda
