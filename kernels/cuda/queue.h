#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>

// The stream that a device's kernels run on, and what lies between it and the host. Everything in
// this folder that is no library call compiles twice: by nvcc for a GPU, and by the host's compiler
// with HEADRACE_CUDA_TWIN as the twin that the tests run, where a queue is the caller itself.
#ifndef HEADRACE_CUDA_TWIN
#include <cuda_runtime.h>

#include "graph/error.h"
#endif

namespace headrace::cuda {

#ifdef HEADRACE_CUDA_TWIN

struct Queue {};

inline void copy_to_host(Queue, void* host, const void* device, size_t bytes) {
  std::memcpy(host, device, bytes);
}
inline void copy_to_device(Queue, void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
}
inline void copy_on_device(Queue, void* to, const void* from, size_t bytes) {
  std::memmove(to, from, bytes);
}
inline void clear(Queue, void* device, size_t bytes) { std::memset(device, 0, bytes); }
inline void call_on_host(Queue, void (*function)(void*), void* argument) { function(argument); }
inline void wait_for(Queue) {}
inline void* allocate_pinned(size_t bytes) { return std::aligned_alloc(64, bytes); }
inline void free_pinned(void* memory) { std::free(memory); }

#else

using Queue = cudaStream_t;

// A CUDA call's failure as a RunError that says what was tried.
inline void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw RunError("CUDA: {}: {}", what, cudaGetErrorString(code));
}

inline void copy_to_host(Queue queue, void* host, const void* device, size_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, queue), "copy to the host");
}
inline void copy_to_device(Queue queue, void* device, const void* host, size_t bytes) {
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, queue), "copy to the device");
}
inline void copy_on_device(Queue queue, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, queue), "copy on the device");
}
inline void clear(Queue queue, void* device, size_t bytes) {
  check(cudaMemsetAsync(device, 0, bytes, queue), "clear memory");
}
inline void call_on_host(Queue queue, void (*function)(void*), void* argument) {
  check(cudaLaunchHostFunc(queue, function, argument), "call the host");
}
inline void wait_for(Queue queue) { check(cudaStreamSynchronize(queue), "wait for the device"); }
// Multiples of 64 bytes of host memory that copies reach without a detour.
inline void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "pin host memory");
  return memory;
}
inline void free_pinned(void* memory) { cudaFreeHost(memory); }

#endif

}  // namespace headrace::cuda
