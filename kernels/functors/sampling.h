#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/functors/isa.h"

// Where an image is read at a point between its pixels, and with what weights: GridSample and
// deformable convolution. Coordinates are double, so that every backend takes the same pixels.
namespace headrace::HEADRACE_ISA {

// Along one dimension. slope: the derivative of the weight by the coordinate that was given.
struct AxisTaps {
  static constexpr int kMost = 4;
  int count = 0;
  int64_t index[kMost];
  double weight[kMost], slope[kMost];

  HEADRACE_HOST_DEVICE void add(int64_t i, double w, double s) {
    index[count] = i;
    weight[count] = w;
    slope[count++] = s;
  }
};

// A pixel coordinate, zeros outside of [0, length).
struct LinearTaps {
  HEADRACE_HOST_DEVICE AxisTaps operator()(double x, int64_t length) const {
    AxisTaps taps;
    if (!(x > -1 && x < static_cast<double>(length))) return taps;
    const double low = std::floor(x), share = x - low;
    const auto first = static_cast<int64_t>(low);
    if (first >= 0) taps.add(first, 1 - share, -1);
    if (first + 1 < length) taps.add(first + 1, share, 1);
    return taps;
  }
};

enum class Interpolation : uint8_t { nearest, linear, cubic };
enum class Beyond : uint8_t { zeros, border, reflection };

// A coordinate of ONNX's GridSample: -1 to 1 over the image. One that is no number reads nothing.
struct GridTaps {
  Interpolation mode = Interpolation::linear;
  Beyond beyond = Beyond::zeros;
  bool align_corners = false;

  HEADRACE_HOST_DEVICE AxisTaps operator()(double at, int64_t length) const {
    const auto size = static_cast<double>(length);
    const double scale = align_corners ? (size - 1) / 2 : size / 2;
    double x = align_corners ? (at + 1) * scale : (at + 1) * scale - 0.5;
    double slope = scale;
    if (mode == Interpolation::nearest) {
      x = std::rint(x);
      slope = 0;
    }
    const double low = align_corners ? 0 : -0.5, high = size - 1 - low;
    if (x < low || x > high) {
      if (beyond == Beyond::border) {
        x = x < low ? 0 : size - 1;
        slope = 0;
      } else if (beyond == Beyond::reflection) {
        x = reflected(x, low, high, slope);
      }
    }
    AxisTaps taps;
    if (!(x > -3 && x < size + 3)) return taps;
    const double floor = std::floor(x), t = x - floor;
    const auto cell = static_cast<int64_t>(floor);
    if (mode == Interpolation::nearest) {
      add(taps, cell, length, 1, 0);
    } else if (mode == Interpolation::linear) {
      add(taps, cell, length, 1 - t, -slope);
      add(taps, cell + 1, length, t, slope);
    } else {
      for (int64_t k = -1; k <= 2; ++k) {
        double derivative = 0;
        const double weight = cubic(t - static_cast<double>(k), derivative);
        add(taps, cell + k, length, weight, derivative * slope);
      }
    }
    return taps;
  }

 private:
  // Keys' cubic convolution (1981, equation 4) with a = -0.75.
  HEADRACE_HOST_DEVICE static double cubic(double distance, double& derivative) {
    constexpr double a = -0.75;
    const double d = std::fabs(distance), sign = distance < 0 ? -1 : 1;
    if (d <= 1) {
      derivative = sign * (3 * (a + 2) * d - 2 * (a + 3)) * d;
      return ((a + 2) * d - (a + 3)) * d * d + 1;
    }
    derivative = sign * ((3 * a * d - 10 * a) * d + 8 * a);
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }

  // Mirrored at both ends until it lies between them; the slope changes its sign each time.
  HEADRACE_HOST_DEVICE static double reflected(double x, double low, double high, double& slope) {
    const double range = high - low;
    if (!(range > 0)) {
      slope = 0;
      return low;
    }
    const double beyond = x < low ? low - x : x - high;
    const double turns = std::floor(beyond / range), rest = beyond - turns * range;
    const bool odd = std::fmod(turns, 2) != 0;
    const bool from_low = (x < low) != odd;
    if ((x < low) == from_low) slope = -slope;
    return from_low ? low + rest : high - rest;
  }

  HEADRACE_HOST_DEVICE void add(AxisTaps& taps, int64_t cell, int64_t length, double weight,
                                double slope) const {
    if (cell < 0 || cell >= length) {
      if (beyond == Beyond::zeros) return;
      if (beyond == Beyond::reflection) {
        const double low = align_corners ? 0 : -0.5;
        double sign = 1;
        cell = static_cast<int64_t>(
            reflected(static_cast<double>(cell), low, static_cast<double>(length - 1) - low, sign));
      }
      cell = cell < 0 ? 0 : cell >= length ? length - 1 : cell;
    }
    taps.add(cell, weight, slope);
  }
};

// In an image of up to three dimensions, row-major.
struct PointTaps {
  static constexpr int kMost = 64, kDimensions = 3;
  int count = 0;
  int64_t offset[kMost];
  double weight[kMost];
  double slope[kDimensions][kMost];  // the weight's derivative by each coordinate

  // The products of the taps along each dimension.
  HEADRACE_HOST_DEVICE void combine(const AxisTaps* axes, const int64_t* lengths, int dimensions) {
    count = 1;
    for (int d = 0; d < dimensions; ++d) count *= axes[d].count;
    for (int i = 0; i < count; ++i) {
      offset[i] = 0;
      weight[i] = 1;
      for (int e = 0; e < dimensions; ++e) slope[e][i] = 1;
      int rest = i, place[kDimensions];
      for (int d = dimensions - 1; d >= 0; --d) {
        place[d] = rest % axes[d].count;
        rest /= axes[d].count;
      }
      for (int d = 0; d < dimensions; ++d) {
        const AxisTaps& axis = axes[d];
        offset[i] = offset[i] * lengths[d] + axis.index[place[d]];
        weight[i] *= axis.weight[place[d]];
        for (int e = 0; e < dimensions; ++e)
          slope[e][i] *= e == d ? axis.slope[place[d]] : axis.weight[place[d]];
      }
    }
  }
};

}  // namespace headrace::HEADRACE_ISA
