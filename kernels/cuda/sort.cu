#include "kernels/cuda/sort.h"

#include <bit>
#ifdef HEADRACE_CUDA_TWIN
#include <algorithm>
#else
#include <cub/device/device_radix_sort.cuh>
#endif

namespace headrace::cuda {

#ifdef HEADRACE_CUDA_TWIN

KeySort::KeySort(int64_t count, int64_t) : count_(count) {}

void KeySort::run(Queue, void* workspace) const {
  const uint32_t *key = keys(workspace), *number = numbers(workspace);
  uint32_t *by_key = array(workspace, 2), *by_number = array(workspace, 3);
  std::copy_n(number, count_, by_number);
  std::stable_sort(by_number, by_number + count_,
                   [key](uint32_t a, uint32_t b) { return key[a] < key[b]; });
  std::transform(by_number, by_number + count_, by_key, [key](uint32_t n) { return key[n]; });
}

#else

KeySort::KeySort(int64_t count, int64_t bound)
    : count_(count), bits_(static_cast<int>(std::bit_width(static_cast<uint64_t>(bound)))) {
  const uint32_t* in = nullptr;
  uint32_t* out = nullptr;
  check(cub::DeviceRadixSort::SortPairs(nullptr, scratch_, in, out, in, out,
                                        static_cast<int>(count), 0, bits_),
        "plan a sort");
}

// A radix sort is stable.
void KeySort::run(Queue queue, void* workspace) const {
  size_t scratch = scratch_;
  check(cub::DeviceRadixSort::SortPairs(
            static_cast<std::byte*>(workspace) + 4 * array_bytes(), scratch,
            static_cast<const uint32_t*>(keys(workspace)), array(workspace, 2),
            static_cast<const uint32_t*>(numbers(workspace)), array(workspace, 3),
            static_cast<int>(count_), 0, bits_, queue),
        "sort");
}

#endif

}  // namespace headrace::cuda
