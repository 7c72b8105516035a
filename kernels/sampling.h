#pragma once

#include <array>

#include "kernels/functors/sampling.h"
#include "kernels/kernel.h"

namespace headrace {

// GridSample and DeformColumns alike: `images` stand one after another, each of `channels` planes,
// and every plane of an image is read at the same `points`. Which pixels a point takes follows from
// data: a grid, or offsets.
struct PointSampling {
  int dimensions = 2;
  std::array<int64_t, 3> lengths{1, 1, 1};  // of a plane of the image that is read
  int64_t images = 0, channels = 0, pixels = 0, points = 0;

  // GridSample: point p of image n reads where grid[n, p, :] says, last dimension first.
  bool is_grid = true;
  portable::GridTaps grid_taps;

  // DeformColumns: images are groups of channels; points are the cells of the kernel times the
  // positions of the window.
  int64_t groups = 1, cells = 0, positions = 0;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, pad{0, 0}, dilation{1, 1}, made{1, 1};

  // The pixels of a point. `where` is the grid or the offsets, `mask` null or what scales weights.
  template <typename T>
  portable::PointTaps taps(const T* where, int64_t image, int64_t point) const;
  // Where the grid or the offsets hold a point's coordinate of this dimension, and where the mask
  // holds its factor.
  int64_t where_at(int64_t image, int64_t point, int dimension) const {
    if (is_grid) return (image * points + point) * dimensions + dimensions - 1 - dimension;
    const int64_t cell = point / positions, position = point % positions;
    return ((image * cells + cell) * 2 + dimension) * positions + position;
  }
  int64_t mask_at(int64_t image, int64_t point) const { return image * points + point; }
};

// `x` and `where` are the types of the image that is read and of the grid or the offsets.
PointSampling grid_sampling(const Node& node, const TensorType& x, const TensorType& grid);
PointSampling deform_sampling(const Node& node, const TensorType& x, const TensorType& offset);

template <typename T>
portable::PointTaps PointSampling::taps(const T* where, int64_t image, int64_t point) const {
  portable::AxisTaps axes[portable::PointTaps::kDimensions];
  portable::PointTaps result;
  for (int d = 0; d < dimensions; ++d) {
    const auto i = static_cast<size_t>(d);
    const double at = where[where_at(image, point, d)];
    if (is_grid) {
      axes[d] = grid_taps(at, lengths[i]);
    } else {
      const int64_t cell = point / positions, position = point % positions;
      const int64_t in_kernel = d == 0 ? cell / kernel[1] : cell % kernel[1];
      const int64_t in_window = d == 0 ? position / made[1] : position % made[1];
      const int64_t corner = in_window * stride[i] - pad[i] + in_kernel * dilation[i];
      axes[d] = portable::LinearTaps()(static_cast<double>(corner) + at, lengths[i]);
    }
  }
  result.combine(axes, lengths.data(), dimensions);
  return result;
}

}  // namespace headrace
