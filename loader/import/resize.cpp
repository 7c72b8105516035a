#include <algorithm>
#include <cmath>
#include <numeric>

#include "loader/import/rules.h"
#include "loader/import/sampling_table.h"

namespace headrace {
namespace {

std::vector<double> doubles(ImportContext& c, size_t input, const char* what) {
  return c.has(input) ? to_doubles(c.constant(input, what)) : std::vector<double>();
}

// An optional input may also be there and empty.
bool has_elements(ImportContext& c, size_t input) {
  return c.has(input) && c.type(input).elements() > 0;
}

int64_t scaled_length(int64_t length, double scale) {
  if (!(scale > 0)) throw Unsupported("a scale of {}", scale);
  // In single precision, as the shapes in models are computed.
  const float product = static_cast<float>(length) * static_cast<float>(scale);
  if (product > 0x1p30f) throw Unsupported("an axis of {} times {}", length, scale);
  return static_cast<int64_t>(std::floor(product));
}

void set_scales(std::vector<AxisSampling>& axes, const std::vector<double>& scales) {
  if (scales.size() != axes.size())
    throw Unsupported("{} scales for {} axes", scales.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i].scale = scales[i];
    axes[i].to = scaled_length(axes[i].from, scales[i]);
  }
}

// "not_larger" and "not_smaller" give all axes one scale, the least or the greatest.
void set_sizes(std::vector<AxisSampling>& axes, const std::vector<int64_t>& sizes,
               const std::string& policy) {
  if (sizes.size() != axes.size())
    throw Unsupported("{} sizes for {} axes", sizes.size(), axes.size());
  double least = INFINITY, greatest = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i].to = sizes[i];
    axes[i].scale = static_cast<double>(sizes[i]) / static_cast<double>(axes[i].from);
    axes[i].exact = true;
    least = std::min(least, axes[i].scale);
    greatest = std::max(greatest, axes[i].scale);
  }
  if (policy == "stretch") return;
  if (policy != "not_larger" && policy != "not_smaller")
    throw Unsupported("keep_aspect_ratio_policy '{}'", policy);
  for (AxisSampling& axis : axes) {
    axis.scale = policy == "not_larger" ? least : greatest;
    axis.to = static_cast<int64_t>(std::floor(axis.scale * static_cast<double>(axis.from) + 0.5));
    axis.exact = false;
  }
}

ValueId float_constant(ImportContext& c, DType dtype, const Shape& shape,
                       const std::vector<double>& values) {
  if (dtype == DType::f64) return c.add_constant(make_host_tensor<double>(shape, values));
  const std::vector<float> rounded(values.begin(), values.end());
  return c.cast(c.add_constant(make_host_tensor<float>(shape, rounded)), dtype);
}

Shape along(size_t rank, size_t axis, int64_t length) {
  Shape shape(rank, 1);
  shape[axis] = length;
  return shape;
}

// Numbers that are no floats are only picked (nearest), not weighed.
ValueId picked(ImportContext& c, ValueId x, const std::vector<int64_t>& axes,
               const std::vector<SamplingTable>& tables) {
  for (size_t i = 0; i < axes.size(); ++i) {
    if (tables[i].taps != 1) throw Unsupported("elements of type {}", name_of(c.type(0).dtype));
    const auto& index = tables[i].index;
    const std::vector<int64_t> positions(index.begin(), index.end());
    const ValueId indices = c.add_constant(
        make_host_tensor<int64_t>({static_cast<int64_t>(positions.size())}, positions));
    x = c.add("Gather", {x, indices}, {{"axis", axes[i]}});
  }
  return x;
}

// What tf_crop_and_resize puts where any axis leaves the image.
ValueId with_extrapolation(ImportContext& c, ValueId y, double value,
                           const std::vector<int64_t>& axes,
                           const std::vector<SamplingTable>& tables) {
  const TensorType type = c.type_of(y);
  ValueId inside = kNoValue;
  for (size_t i = 0; i < axes.size(); ++i) {
    const std::vector<bool>& outside = tables[i].outside;
    if (std::find(outside.begin(), outside.end(), true) == outside.end()) continue;
    std::vector<double> mask(outside.size());
    std::transform(outside.begin(), outside.end(), mask.begin(),
                   [](bool out) { return out ? 0.0 : 1.0; });
    const Shape shape =
        along(type.shape.size(), static_cast<size_t>(axes[i]), static_cast<int64_t>(mask.size()));
    const ValueId factor = float_constant(c, type.dtype, shape, mask);
    inside = inside == kNoValue ? factor : c.add("Mul", {inside, factor});
  }
  if (inside == kNoValue || value == 0) return y;
  const ValueId share = c.add("Sub", {c.scalar(1, type.dtype), inside});
  return c.add("Add", {y, c.add("Mul", {share, c.scalar(value, type.dtype)})});
}

void resample(ImportContext& c, std::vector<int64_t> axes, std::vector<AxisSampling> samplings,
              double extrapolation) {
  std::vector<size_t> order(axes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return axes[a] < axes[b]; });
  std::vector<int64_t> resized;
  std::vector<SamplingTable> tables;
  for (const size_t i : order) {
    const AxisSampling& s = samplings[i];
    if (s.from == s.to && s.scale == 1 && s.coordinates != "tf_crop_and_resize") continue;
    SamplingTable table = sampling_table(s);
    if (table.is_identity) continue;
    resized.push_back(axes[i]);
    tables.push_back(std::move(table));
  }
  if (resized.empty()) {
    c.result(c.operand(0));
    return;
  }
  const DType dtype = c.type(0).dtype;
  if (!is_float(dtype)) {
    c.result(picked(c, c.value(0), resized, tables));
    return;
  }
  std::vector<ValueId> inputs{c.value(0)};
  for (const SamplingTable& table : tables) {
    const auto length = static_cast<int64_t>(table.outside.size());
    const Shape shape{length, table.taps};
    inputs.push_back(c.add_constant(make_host_tensor<int32_t>(shape, table.index)));
    inputs.push_back(float_constant(c, dtype, shape, table.weight));
  }
  const ValueId y = c.add("Resample", inputs, {{"axes", resized}});
  c.result(with_extrapolation(c, y, extrapolation, resized, tables));
}

// The form of the opsets before 11, Upsample's too: positions from the corner, and the nearest cell
// before it; after it where the image shrinks.
void resize_from_corner(ImportContext& c, const std::vector<double>& scales) {
  std::vector<int64_t> axes;
  std::vector<AxisSampling> samplings;
  for (int64_t axis = 0; axis < c.rank(0); ++axis) {
    axes.push_back(axis);
    AxisSampling sampling{.mode = c.get_string("mode", "nearest"), .coordinates = "asymmetric"};
    sampling.from = c.shape(0)[static_cast<size_t>(axis)];
    samplings.push_back(std::move(sampling));
  }
  set_scales(samplings, scales);
  for (AxisSampling& sampling : samplings)
    sampling.rounding = sampling.scale < 1 ? "ceil" : "floor";
  resample(c, axes, samplings, 0);
}

void upsample(ImportContext& c) {
  if (c.opset() >= 9) {
    resize_from_corner(c, doubles(c, 1, "scales"));
    return;
  }
  const auto* scales = c.find("scales");
  if (scales == nullptr) throw Unsupported("no scales");
  resize_from_corner(c, {scales->floats().begin(), scales->floats().end()});
}

void resize(ImportContext& c) {
  if (c.opset() < 11) {
    resize_from_corner(c, doubles(c, 1, "scales"));
    return;
  }
  const int64_t rank = c.rank(0);
  std::vector<int64_t> axes = c.get_ints("axes");
  if (axes.empty()) {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  }
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank);
  AxisSampling common{.mode = c.get_string("mode", "nearest")};
  common.coordinates = c.get_string("coordinate_transformation_mode", "half_pixel");
  common.rounding = c.get_string("nearest_mode", "round_prefer_floor");
  common.cubic_coefficient = c.get_float("cubic_coeff_a", -0.75);
  common.antialias = c.get_int("antialias", 0) != 0;
  common.exclude_outside = c.get_int("exclude_outside", 0) != 0;
  std::vector<AxisSampling> samplings(axes.size(), common);
  for (size_t i = 0; i < axes.size(); ++i)
    samplings[i].from = c.shape(0)[static_cast<size_t>(axes[i])];
  if (common.coordinates == "tf_crop_and_resize") {
    const auto region = doubles(c, 1, "roi");
    if (region.size() != 2 * axes.size())
      throw Unsupported("a roi of {} numbers for {} axes", region.size(), axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      samplings[i].start = region[i];
      samplings[i].end = region[i + axes.size()];
    }
  }
  if (has_elements(c, 2))
    set_scales(samplings, doubles(c, 2, "scales"));
  else if (has_elements(c, 3))
    set_sizes(samplings, c.ints(3, "sizes"), c.get_string("keep_aspect_ratio_policy", "stretch"));
  else
    throw Unsupported("neither scales nor sizes");
  resample(c, std::move(axes), std::move(samplings), c.get_float("extrapolation_value", 0));
}

}  // namespace

std::span<const ImportRule> resize_rules() {
  static constexpr ImportRule kRules[] = {
      {"Resize", resize},
      {"Upsample", upsample},
  };
  return kRules;
}

}  // namespace headrace
