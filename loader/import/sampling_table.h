#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/host_tensor.h"

namespace headrace {

// How ONNX's Resize samples one axis: `from` cells become `to`.
struct AxisSampling {
  std::string mode = "nearest";  // "linear", "cubic"
  std::string coordinates = "half_pixel";
  std::string rounding = "round_prefer_floor";
  double cubic_coefficient = -0.75;
  bool antialias = false;
  bool exclude_outside = false;
  int64_t from = 1, to = 1;
  double scale = 1;           // the length wanted over `from`; its product may be fractional
  bool exact = false;         // scale is to / from, free of rounding
  double start = 0, end = 1;  // of the region, for tf_crop_and_resize
};

// What a Resample reads along one axis (graph/ops/README.md).
struct SamplingTable {
  std::vector<int32_t> index;  // [to, taps]
  std::vector<double> weight;
  int64_t taps = 1;
  std::vector<bool> outside;  // positions beyond the image, under tf_crop_and_resize
  bool is_identity = false;   // every position reads the cell of its number
};

// The coordinates and filters of ONNX's Resize-19. Throws Unsupported for a mode that is not known
// and for a table beyond all measure.
SamplingTable sampling_table(const AxisSampling& sampling);

}  // namespace headrace
