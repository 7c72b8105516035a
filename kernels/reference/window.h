#pragma once

#include <array>

#include "kernels/reference/loop.h"

namespace headrace::reference {

// A window that slides over one, two or three spatial dimensions; fewer are led by dimensions of 1.
struct Window {
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1};
  std::array<int64_t, 3> stride{1, 1, 1}, dilation{1, 1, 1}, pad_begin{0, 0, 0}, pad_end{0, 0, 0};

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  int64_t kernel_size() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// From shapes [N, C, spatial...] and the attributes strides, pads and, where there are any,
// dilations. `kernel` holds the kernel's spatial dimensions.
Window window_of(const Attributes& attributes, const Shape& in, const Shape& out,
                 std::span<const int64_t> kernel);
inline bool window_fits(const Shape& in) { return in.size() >= 3 && in.size() <= 5; }

// Calls f(input offset, kernel offset) for each tap of output position `position` that meets the
// input, in row-major order of the kernel; offsets are within one channel.
template <typename F>
void for_each_tap(const Window& w, int64_t position, F f) {
  const int64_t o2 = position % w.out[2], o1 = position / w.out[2] % w.out[1];
  const int64_t o0 = position / w.out[2] / w.out[1];
  for (int64_t k0 = 0; k0 < w.kernel[0]; ++k0) {
    const int64_t i0 = o0 * w.stride[0] - w.pad_begin[0] + k0 * w.dilation[0];
    if (i0 < 0 || i0 >= w.in[0]) continue;
    for (int64_t k1 = 0; k1 < w.kernel[1]; ++k1) {
      const int64_t i1 = o1 * w.stride[1] - w.pad_begin[1] + k1 * w.dilation[1];
      if (i1 < 0 || i1 >= w.in[1]) continue;
      for (int64_t k2 = 0; k2 < w.kernel[2]; ++k2) {
        const int64_t i2 = o2 * w.stride[2] - w.pad_begin[2] + k2 * w.dilation[2];
        if (i2 < 0 || i2 >= w.in[2]) continue;
        f((i0 * w.in[1] + i1) * w.in[2] + i2, (k0 * w.kernel[1] + k1) * w.kernel[2] + k2);
      }
    }
  }
}

}  // namespace headrace::reference
