#pragma once

#include <memory>

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

 private:
  size_t wanted_ = 0, held_ = 0;
  std::vector<std::byte*> blocks_;  // the last is the largest
};

// Runs the node on the host's device: its inputs are copied there, its outputs back, all in the
// queue's order. For what is rare: every call moves all of its bytes over the bus.
Prepared prepare_on_host(const Context& context, const KernelRequest& request);

}  // namespace headrace::cuda
