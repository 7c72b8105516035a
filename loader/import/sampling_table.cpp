#include "loader/import/sampling_table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "loader/import/context.h"

namespace headrace {
namespace {

constexpr int64_t kLargestTable = int64_t{1} << 28;

// Where position j of the result lies in the image.
double coordinate(const AxisSampling& s, int64_t j) {
  const auto from = static_cast<double>(s.from), to = static_cast<double>(s.to);
  const auto at = static_cast<double>(j);
  const double width = s.exact ? to : s.scale * from;
  const auto shrunk = [&](double x) { return s.exact ? x * from / to : x / s.scale; };
  const std::string& mode = s.coordinates;
  if (mode == "half_pixel") return shrunk(at + 0.5) - 0.5;
  if (mode == "pytorch_half_pixel") return s.to > 1 ? shrunk(at + 0.5) - 0.5 : 0;
  if (mode == "half_pixel_symmetric") return from / 2 * (1 - to / width) + shrunk(at + 0.5) - 0.5;
  if (mode == "align_corners") return width == 1 ? 0 : at * (from - 1) / (width - 1);
  if (mode == "asymmetric") return shrunk(at);
  if (mode == "tf_half_pixel_for_nn") return shrunk(at + 0.5);
  if (mode == "tf_crop_and_resize") {
    if (width == 1) return 0.5 * (s.start + s.end) * (from - 1);
    return s.start * (from - 1) + at * (s.end - s.start) * (from - 1) / (width - 1);
  }
  throw Unsupported("coordinate_transformation_mode '{}'", mode);
}

double nearest_cell(const std::string& rounding, double x) {
  if (rounding == "round_prefer_floor") return std::ceil(x - 0.5);
  if (rounding == "round_prefer_ceil") return std::floor(x + 0.5);
  if (rounding == "floor") return std::floor(x);
  if (rounding == "ceil") return std::ceil(x);
  throw Unsupported("nearest_mode '{}'", rounding);
}

// The share of a cell at this distance: a tent, or Keys' cubic convolution (1981, equation 4).
double filter(const AxisSampling& s, double distance) {
  const double d = std::fabs(distance), a = s.cubic_coefficient;
  if (s.mode == "linear") return std::max(0.0, 1 - d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

struct Tap {
  int64_t cell;
  double weight;
};

// Cells beyond the border stand for the border's, or drop out; shares sum to 1.
std::vector<Tap> filtered(const AxisSampling& s, double x) {
  const double shrink = s.antialias ? std::min(s.scale, 1.0) : 1;
  const double reach = (s.mode == "cubic" ? 2 : 1) / shrink;
  if (reach > static_cast<double>(kLargestTable))
    throw Unsupported("a filter over {} cells", 2 * reach);
  std::vector<Tap> taps;
  double sum = 0;
  const auto last = static_cast<int64_t>(std::floor(x + reach));
  for (auto cell = static_cast<int64_t>(std::ceil(x - reach)); cell <= last; ++cell) {
    const double weight = filter(s, shrink * (static_cast<double>(cell) - x));
    const int64_t inside = std::clamp<int64_t>(cell, 0, s.from - 1);
    if (weight == 0 || (s.exclude_outside && inside != cell)) continue;
    sum += weight;
    if (!taps.empty() && taps.back().cell == inside)
      taps.back().weight += weight;
    else
      taps.push_back({inside, weight});
  }
  if (taps.empty())  // a filter wholly outside of the image
    taps.push_back({std::clamp<int64_t>(static_cast<int64_t>(x), 0, s.from - 1), sum = 1});
  for (Tap& tap : taps) tap.weight /= sum;
  return taps;
}

std::vector<Tap> taps_at(const AxisSampling& s, double x) {
  // Far outside of the image all that matters is on which side; nothing overflows from here on.
  const auto last = static_cast<double>(s.from - 1);
  if (s.mode == "nearest") {
    const double cell = std::clamp(nearest_cell(s.rounding, x), 0.0, last);
    return {{static_cast<int64_t>(cell), 1}};
  }
  if (s.mode != "linear" && s.mode != "cubic") throw Unsupported("mode '{}'", s.mode);
  return filtered(s, s.exclude_outside ? x : std::clamp(x, -2 * last - 8, 3 * last + 8));
}

}  // namespace

SamplingTable sampling_table(const AxisSampling& s) {
  if (s.from < 1 || s.to < 1 || s.from > kLargestTable || s.to > kLargestTable)
    throw Unsupported("an axis of {} cells resized to {}", s.from, s.to);
  SamplingTable table;
  std::vector<std::vector<Tap>> rows;
  table.is_identity = s.from == s.to;
  for (int64_t j = 0; j < s.to; ++j) {
    const double x = coordinate(s, j);
    if (!std::isfinite(x) || std::fabs(x) > 0x1p40) throw Unsupported("a coordinate of {}", x);
    rows.push_back(taps_at(s, x));
    table.taps = std::max(table.taps, static_cast<int64_t>(rows.back().size()));
    table.is_identity = table.is_identity && rows.back().size() == 1 && rows.back()[0].cell == j;
    if (table.taps * s.to > kLargestTable)
      throw Unsupported("{} cells resized to {}: a filter of {} cells", s.from, s.to, table.taps);
    const bool outside =
        s.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(s.from - 1));
    table.outside.push_back(outside);
    if (outside) rows.back() = {{0, 0}};
  }
  for (const std::vector<Tap>& row : rows)
    for (size_t t = 0; t < static_cast<size_t>(table.taps); ++t) {
      table.index.push_back(static_cast<int32_t>(row[std::min(t, row.size() - 1)].cell));
      table.weight.push_back(t < row.size() ? row[t].weight : 0);
    }
  return table;
}

}  // namespace headrace
