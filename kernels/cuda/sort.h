#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/queue.h"

namespace headrace::cuda {

// Numbers 0 to count - 1 sorted by a key each, those of equal keys in ascending order.
class KeySort {
 public:
  static constexpr int64_t kMost = int64_t{1} << 31;  // of count and of bound, both less than this

  KeySort() = default;
  // Keys are at most `bound`.
  KeySort(int64_t count, int64_t bound);

  size_t bytes() const { return 4 * array_bytes() + scratch_; }
  // Within a workspace of bytes() bytes, 8-byte aligned: what the caller fills, and what `run`
  // makes of it.
  uint32_t* keys(void* workspace) const { return array(workspace, 0); }
  uint32_t* numbers(void* workspace) const { return array(workspace, 1); }
  const uint32_t* sorted_keys(void* workspace) const { return array(workspace, 2); }
  const uint32_t* sorted_numbers(void* workspace) const { return array(workspace, 3); }
  void run(Queue queue, void* workspace) const;

 private:
  size_t array_bytes() const {
    return (static_cast<size_t>(count_) * sizeof(uint32_t) + 63) / 64 * 64;
  }
  uint32_t* array(void* workspace, size_t i) const {
    return reinterpret_cast<uint32_t*>(static_cast<std::byte*>(workspace) + i * array_bytes());
  }

  int64_t count_ = 0;
  int bits_ = 0;  // that keys may have
  size_t scratch_ = 0;
};

}  // namespace headrace::cuda
