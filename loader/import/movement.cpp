#include <algorithm>
#include <cmath>
#include <numeric>

#include "loader/import/rules.h"

namespace headrace {
namespace {

void concat(ImportContext& c) {
  if (c.input_count() == 1) {
    c.result(c.operand(0));
    return;
  }
  const int64_t axis = c.axis(0, c.rank(0));
  c.result(c.add("Concat", c.values(), {{"axis", axis}}));
}

// Sizes: attribute before opset 13, input after; without either, equal parts, the last one smaller.
std::vector<int64_t> split_sizes(ImportContext& c, int64_t length) {
  std::vector<int64_t> sizes;
  if (c.opset() < 13) {
    sizes = c.get_ints("split");
  } else if (c.has(1)) {
    sizes = c.ints(1, "split");
  }
  const auto parts = static_cast<int64_t>(c.output_count());
  if (sizes.empty()) {
    const int64_t part = (length + parts - 1) / parts;
    for (int64_t left = length, i = 0; i < parts; ++i, left -= sizes.back())
      sizes.push_back(std::min(part, left));
  }
  if (static_cast<int64_t>(sizes.size()) != parts ||
      std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != length)
    throw Unsupported("parts {} of a dimension of {} for {} outputs", to_string(sizes), length,
                      parts);
  return sizes;
}

void split(ImportContext& c) {
  const Shape input = c.shape(0);
  const int64_t axis = c.axis(0, c.rank(0));
  const auto sizes = split_sizes(c, input[static_cast<size_t>(axis)]);
  if (sizes.size() == 1) {
    c.result(c.operand(0));
    return;
  }
  const auto parts = c.add_all("Split", {c.value(0)}, {{"axis", axis}, {"split", sizes}});
  for (size_t i = 0; i < parts.size(); ++i) c.result(parts[i], i);
}

struct SliceBounds {
  std::vector<int64_t> starts, ends, axes, steps;
};

// Attributes before opset 10, inputs after; axes and steps may be left out.
SliceBounds slice_bounds(ImportContext& c) {
  SliceBounds bounds;
  if (c.opset() < 10) {
    bounds = {c.get_ints("starts"), c.get_ints("ends"), c.get_ints("axes"), {}};
  } else {
    bounds.starts = c.ints(1, "starts");
    bounds.ends = c.ints(2, "ends");
    if (c.has(3)) bounds.axes = c.ints(3, "axes");
    if (c.has(4)) bounds.steps = c.ints(4, "steps");
  }
  const size_t count = bounds.starts.size();
  if (bounds.axes.empty()) {
    bounds.axes.resize(count);
    std::iota(bounds.axes.begin(), bounds.axes.end(), 0);
  }
  if (bounds.steps.empty()) bounds.steps.assign(count, 1);
  if (bounds.ends.size() != count || bounds.axes.size() != count || bounds.steps.size() != count)
    throw Unsupported("starts, ends, axes and steps of different lengths");
  return bounds;
}

void slice(ImportContext& c) {
  const Shape input = c.shape(0);
  const SliceBounds given = slice_bounds(c);
  std::vector<int64_t> starts(input.size(), 0), ends(input), steps(input.size(), 1);
  bool whole = true;
  for (size_t i = 0; i < given.starts.size(); ++i) {
    const auto d = static_cast<size_t>(normalize_axis(given.axes[i], c.rank(0)));
    const int64_t length = input[d], step = given.steps[i];
    if (step == 0) throw Unsupported("a step of 0");
    // Ends far beyond the dimension are usual (the largest int64), so nothing is added to those.
    const auto place = [&](int64_t at, int64_t low, int64_t high) {
      if (at < 0) at = at < -length ? low : at + length;
      return std::clamp(at, low, high);
    };
    starts[d] =
        step > 0 ? place(given.starts[i], 0, length) : place(given.starts[i], 0, length - 1);
    ends[d] = step > 0 ? std::max(starts[d], place(given.ends[i], 0, length))
                       : std::min(starts[d], place(given.ends[i], -1, length - 1));
    steps[d] = step;
    whole = whole && step == 1 && starts[d] == 0 && ends[d] == length;
  }
  if (whole) {
    c.result(c.operand(0));
    return;
  }
  c.result(c.add("Slice", {c.value(0)}, {{"starts", starts}, {"ends", ends}, {"steps", steps}}));
}

// Pads: attribute before opset 11, input after; axes since 18.
void pad(ImportContext& c) {
  const auto rank = static_cast<size_t>(c.rank(0));
  std::vector<int64_t> given = c.opset() < 11 ? c.get_ints("pads") : c.ints(1, "pads");
  double value = 0;
  if (c.opset() < 11) value = c.get_float("value", 0);
  if (c.opset() >= 11 && c.has(2)) value = c.number(2, "constant_value");
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (c.has(3)) axes = c.ints(3, "axes");
  if (given.size() != 2 * axes.size())
    throw Unsupported("{} pads for {} axes", given.size(), axes.size());
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto d = static_cast<size_t>(normalize_axis(axes[i], static_cast<int64_t>(rank)));
    pads[d] = given[i];
    pads[d + rank] = given[i + axes.size()];
  }
  if (std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; })) {
    c.result(c.operand(0));
    return;
  }
  c.result(c.add("Pad", {c.value(0)},
                 {{"pads", pads}, {"mode", c.get_string("mode", "constant")}, {"value", value}}));
}

void trilu(ImportContext& c) {
  const int64_t k = c.has(1) ? static_cast<int64_t>(c.number(1, "k")) : 0;
  c.result(c.add("Trilu", {c.value(0)}, {{"upper", c.get_int("upper", 1)}, {"k", k}}));
}

void identity(ImportContext& c) { c.result(c.operand(0)); }

}  // namespace

std::span<const ImportRule> movement_rules() {
  static constexpr ImportRule kRules[] = {
      {"Concat", concat}, {"Split", split}, {"Slice", slice},
      {"Pad", pad},       {"Trilu", trilu}, {"Identity", identity},
  };
  return kRules;
}

}  // namespace headrace
