#pragma once

#include <exception>
#include <memory>
#include <mutex>

#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

// Pinned host memory that the host's kernels of one device take turns in: their queue runs one
// after the other. When more is wanted than before, the old memory stays for those who know it.
class Staging {
 public:
  Staging() = default;
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  void reserve(size_t bytes) { wanted_ = std::max(wanted_, bytes); }
  std::byte* data();  // of all bytes that were reserved, 64-byte aligned

  // What a kernel threw on the host, where nobody could catch it, and its throw to the device's own
  // thread.
  void keep_failure(std::exception_ptr failure);
  void throw_failure();

 private:
  size_t wanted_ = 0, held_ = 0;
  std::vector<std::byte*> blocks_;  // the last is the largest
  std::mutex mutex_;
  std::exception_ptr failure_;
};

// Runs the node on the host's device: its inputs are copied there, its outputs back, all in the
// queue's order. For what is rare: every call moves all of its bytes over the bus. Throws Error
// where the host has no kernel for it either; takes no request that accumulates.
std::unique_ptr<Kernel> prepare_on_host(const Context& context, const KernelRequest& request);

}  // namespace headrace::cuda
