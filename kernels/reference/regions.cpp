#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Pooling of regions of interest: x [images, channels, height, width] into bins.
struct Regions {
  int64_t images, channels, height, width, count, bin_rows, bin_columns;
  double scale;
  int64_t sampling_ratio = 0;
  double shift = 0;  // of the coordinates, by half a pixel or not at all
  DType batch_dtype = DType::i64;

  int64_t plane(int64_t image, int64_t channel) const {
    return (image * channels + channel) * height * width;
  }
  int64_t bin(int64_t region, int64_t channel, int64_t row, int64_t column) const {
    return ((region * channels + channel) * bin_rows + row) * bin_columns + column;
  }
  int64_t checked_image(int64_t image) const {
    if (image < 0 || image >= images)
      throw Error("a region of image {}, of which there are {}", image, images);
    return image;
  }
};

Regions regions_of(const KernelRequest& request, const Shape& x, size_t rois) {
  const Attributes& a = request.node->attributes;
  const auto& size = a.get_ints("output_shape");
  return {x[0],
          x[1],
          x[2],
          x[3],
          request.input_types[rois].shape[0],
          size[0],
          size[1],
          a.get_float("spatial_scale")};
}

Regions aligned_regions_of(const KernelRequest& request, const Shape& x) {
  const Attributes& a = request.node->attributes;
  Regions regions = regions_of(request, x, 1);
  regions.sampling_ratio = a.get_int("sampling_ratio");
  regions.shift = a.get_int("half_pixel") != 0 ? 0.5 : 0;
  regions.batch_dtype = request.input_types[2].dtype;
  return regions;
}

// The samples of one dimension of a region: `count` in each bin.
struct Samples {
  static constexpr int64_t kMost = 1 << 12;
  double start, bin;
  int64_t count;

  Samples(const Regions& r, double from, double to, int64_t bins) {
    start = from * r.scale - r.shift;
    double extent = to * r.scale - r.shift - start;
    if (r.shift == 0) extent = std::max(extent, 1.0);
    bin = extent / static_cast<double>(bins);
    if (!(std::fabs(bin) <= static_cast<double>(kMost)) || !std::isfinite(start))
      throw Error("a region from {} to {} is too large to be sampled", from, to);
    count = r.sampling_ratio > 0 ? r.sampling_ratio
                                 : std::max<int64_t>(0, static_cast<int64_t>(std::ceil(bin)));
  }
  double at(int64_t b, int64_t i) const {
    return start + bin * (static_cast<double>(b) +
                          (static_cast<double>(i) + 0.5) / static_cast<double>(count));
  }
};

// The two pixels beside a coordinate; a pixel beyond the border counts as on it.
struct Pair {
  int64_t low, high;
  double high_share;

  Pair(double x, int64_t length) {
    x = std::max(x, 0.0);
    low = static_cast<int64_t>(x);
    high_share = x - static_cast<double>(low);
    if (low >= length - 1) {
      low = length - 1;
      high_share = 0;
    }
    high = std::min(low + 1, length - 1);
  }
};

// f(offset, weight) for the four pixels of a sample; none where it lies outside of the image.
template <typename F>
void for_each_pixel(const Regions& r, double y, double x, F f) {
  if (y < -1 || y > static_cast<double>(r.height) || x < -1 || x > static_cast<double>(r.width))
    return;
  const Pair row(y, r.height), column(x, r.width);
  f(row.low * r.width + column.low, (1 - row.high_share) * (1 - column.high_share));
  f(row.low * r.width + column.high, (1 - row.high_share) * column.high_share);
  f(row.high * r.width + column.low, row.high_share * (1 - column.high_share));
  f(row.high * r.width + column.high, row.high_share * column.high_share);
}

// f(image, region, row, column, samples of rows, samples of columns) for each bin of each region.
template <typename T, typename F>
void for_each_bin(const Regions& r, const KernelArgs& args, F f) {
  const IntReader batch(args.inputs[2], r.batch_dtype);
  for (int64_t n = 0; n < r.count; ++n) {
    const T* box = input<T>(args, 1) + 4 * n;
    const int64_t image = r.checked_image(batch[n]);
    const Samples columns(r, box[0], box[2], r.bin_columns), rows(r, box[1], box[3], r.bin_rows);
    for (int64_t row = 0; row < r.bin_rows; ++row)
      for (int64_t column = 0; column < r.bin_columns; ++column)
        f(image, n, row, column, rows, columns);
  }
}

template <typename F>
void for_each_sample(const Regions& r, const Samples& rows, const Samples& columns, int64_t row,
                     int64_t column, F f) {
  for (int64_t i = 0; i < rows.count; ++i)
    for (int64_t j = 0; j < columns.count; ++j)
      for_each_pixel(r, rows.at(row, i), columns.at(column, j), f);
}

double samples_in(const Samples& rows, const Samples& columns) {
  return static_cast<double>(std::max<int64_t>(1, rows.count * columns.count));
}

// x, rois, batch -> y
template <typename T>
Loop align(const KernelRequest& request) {
  return [r = aligned_regions_of(request, request.input_types[0].shape)](const KernelArgs& args) {
    for_each_bin<T>(r, args,
                    [&](int64_t image, int64_t n, int64_t row, int64_t column, const Samples& rows,
                        const Samples& columns) {
                      for (int64_t c = 0; c < r.channels; ++c) {
                        const T* x = input<T>(args, 0) + r.plane(image, c);
                        double sum = 0;
                        for_each_sample(r, rows, columns, row, column,
                                        [&](int64_t i, double w) { sum += w * x[i]; });
                        output<T>(args, 0)[r.bin(n, c, row, column)] =
                            static_cast<T>(sum / samples_in(rows, columns));
                      }
                    });
  };
}

// dy, rois, batch -> dx
template <typename T>
Loop align_gradient(const KernelRequest& request) {
  const auto count = static_cast<size_t>(request.output_types[0].elements());
  return [r = aligned_regions_of(request, request.output_types[0].shape),
          count](const KernelArgs& args) {
    std::vector<double> dx(count);
    for_each_bin<T>(r, args,
                    [&](int64_t image, int64_t n, int64_t row, int64_t column, const Samples& rows,
                        const Samples& columns) {
                      for (int64_t c = 0; c < r.channels; ++c) {
                        const double dy =
                            input<T>(args, 0)[r.bin(n, c, row, column)] / samples_in(rows, columns);
                        for_each_sample(r, rows, columns, row, column, [&](int64_t i, double w) {
                          dx[static_cast<size_t>(r.plane(image, c) + i)] += w * dy;
                        });
                      }
                    });
    for (size_t i = 0; i < count; ++i) output<T>(args, 0)[i] = static_cast<T>(dx[i]);
  };
}

// x, rois, batch -> position, weight. The greatest is looked for among the weighted pixels, as ONNX
// has it.
template <typename T>
Loop align_maximum(const KernelRequest& request) {
  return [r = aligned_regions_of(request, request.input_types[0].shape)](const KernelArgs& args) {
    for_each_bin<T>(r, args,
                    [&](int64_t image, int64_t n, int64_t row, int64_t column, const Samples& rows,
                        const Samples& columns) {
                      for (int64_t c = 0; c < r.channels; ++c) {
                        const T* x = input<T>(args, 0) + r.plane(image, c);
                        double weight = 0, best = 0;
                        int64_t place = 0;
                        bool none = true;
                        const auto look = [&](int64_t i, double w) {
                          if (!none && !(w * x[i] > best)) return;
                          best = w * x[i];
                          weight = w;
                          place = i;
                          none = false;
                        };
                        for (int64_t i = 0; i < rows.count; ++i)
                          for (int64_t j = 0; j < columns.count; ++j) {
                            bool outside = true;
                            for_each_pixel(r, rows.at(row, i), columns.at(column, j),
                                           [&](int64_t pixel, double w) {
                                             outside = false;
                                             look(pixel, w);
                                           });
                            if (outside) look(0, 0);
                          }
                        const int64_t at = r.bin(n, c, row, column);
                        output<int64_t>(args, 0)[at] = r.plane(image, c) + place;
                        output<T>(args, 1)[at] = static_cast<T>(weight);
                      }
                    });
  };
}

// Cells of a dimension in bin `b` of `bins` of a region of `extent` cells from `start` on.
std::pair<int64_t, int64_t> bin_cells(int64_t start, int64_t extent, int64_t b, int64_t bins,
                                      int64_t length) {
  const double size = static_cast<double>(extent) / static_cast<double>(bins);
  const auto from = static_cast<int64_t>(std::floor(static_cast<double>(b) * size)) + start;
  const auto to = static_cast<int64_t>(std::ceil(static_cast<double>(b + 1) * size)) + start;
  return {std::clamp<int64_t>(from, 0, length), std::clamp<int64_t>(to, 0, length)};
}

// x, rois -> position, weight; weight is 0 where a bin has no cell.
template <typename T>
Loop pool_maximum(const KernelRequest& request) {
  return [r = regions_of(request, request.input_types[0].shape, 1)](const KernelArgs& args) {
    for (int64_t n = 0; n < r.count; ++n) {
      const T* box = input<T>(args, 1) + 5 * n;
      int64_t edge[4];
      for (size_t i = 0; i < 4; ++i) {
        const double at = std::round(double{box[i + 1]} * r.scale);
        if (!(std::fabs(at) < 0x1p40)) throw Error("a region with a corner at {}", at);
        edge[i] = static_cast<int64_t>(at);
      }
      if (!(std::fabs(double{box[0]}) < 0x1p40)) throw Error("a region of image {}", box[0]);
      const int64_t image = r.checked_image(static_cast<int64_t>(box[0]));
      const int64_t width = std::max<int64_t>(edge[2] - edge[0] + 1, 1);
      const int64_t height = std::max<int64_t>(edge[3] - edge[1] + 1, 1);
      for (int64_t c = 0; c < r.channels; ++c)
        for (int64_t row = 0; row < r.bin_rows; ++row)
          for (int64_t column = 0; column < r.bin_columns; ++column) {
            const auto [top, bottom] = bin_cells(edge[1], height, row, r.bin_rows, r.height);
            const auto [left, right] = bin_cells(edge[0], width, column, r.bin_columns, r.width);
            const T* x = input<T>(args, 0) + r.plane(image, c);
            int64_t place = -1;
            for (int64_t i = top; i < bottom; ++i)
              for (int64_t j = left; j < right; ++j)
                if (place < 0 || x[i * r.width + j] > x[place]) place = i * r.width + j;
            const int64_t at = r.bin(n, c, row, column);
            output<int64_t>(args, 0)[at] = r.plane(image, c) + std::max<int64_t>(place, 0);
            output<T>(args, 1)[at] = place < 0 ? T{0} : T{1};
          }
    }
  };
}

}  // namespace

Loop regions(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"RoiAlign", by_float<align<float>, align<double>>},
      {"RoiAlignGrad", by_float<align_gradient<float>, align_gradient<double>>},
      {"RoiAlignMaximum", by_float<align_maximum<float>, align_maximum<double>>},
      {"RoiPoolMaximum", by_float<pool_maximum<float>, pool_maximum<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
