#include <algorithm>
#include <numeric>

#include "loader/import/rules.h"
#include "loader/import/window.h"

namespace headrace {
namespace {

constexpr int64_t kLargestGrid = int64_t{1} << 26;  // elements

ValueId constant_like(ImportContext& c, DType dtype, const Shape& shape,
                      const std::vector<double>& values) {
  if (dtype == DType::f64) return c.add_constant(make_host_tensor<double>(shape, values));
  const std::vector<float> rounded(values.begin(), values.end());
  return c.cast(c.add_constant(make_host_tensor<float>(shape, rounded)), dtype);
}

// Columns folded into an image are the input gradient of the convolution that unfolds it: one
// filter of a single 1 for each cell of the block.
void col2im(ImportContext& c) {
  const Shape x = c.shape(0);
  const auto image = c.ints(1, "image_shape"), block = c.ints(2, "block_shape");
  const size_t dims = block.size();
  if (x.size() != 3 || image.size() != dims || dims < 1 || dims > 3)
    throw Unsupported("columns {}, an image {} and a block {}", to_string(x), to_string(image),
                      to_string(block));
  for (const int64_t size : block)
    if (size < 1 || size > kLargestWindow) throw Unsupported("a block {}", to_string(block));
  const int64_t cells = element_count(block);
  if (x[1] % cells != 0 || x[1] < 1)
    throw Unsupported("{} rows of columns for a block {}", x[1], to_string(block));
  const auto strides = per_dimension(c, "strides", dims, 1);
  const auto dilations = per_dimension(c, "dilations", dims, 1);
  const auto pads = per_dimension(c, "pads", 2 * dims, 0);
  Shape columns{x[0], x[1]}, weight{x[1], 1}, made{x[0], x[1] / cells};
  for (size_t d = 0; d < dims; ++d) {
    for (const int64_t size : {image[d], strides[d], dilations[d]})
      if (size < 1 || size > kLargestWindow)
        throw Unsupported("an image, stride or dilation of {}", size);
    columns.push_back(
        (image[d] + pads[d] + pads[d + dims] - dilations[d] * (block[d] - 1) - 1) / strides[d] + 1);
    weight.push_back(block[d]);
    made.push_back(image[d]);
  }
  if (element_count(std::span(columns).subspan(2)) != x[2])
    throw Unsupported("{} columns where {} fit", x[2], to_string(columns));
  if (x[1] > kLargestGrid / cells) throw Unsupported("blocks of {} cells", cells);
  std::vector<double> ones(static_cast<size_t>(x[1] * cells), 0);
  for (int64_t row = 0; row < x[1]; ++row) ones[static_cast<size_t>(row * cells + row % cells)] = 1;
  const DType dtype = c.type(0).dtype;
  c.result(c.add("ConvInputGrad",
                 {c.reshape(c.value(0), columns), constant_like(c, dtype, weight, ones)},
                 {{"strides", strides},
                  {"pads", pads},
                  {"dilations", dilations},
                  {"group", made[1]},
                  {"activation", std::string()},
                  {"input_shape", made}}));
}

// Each axis is cut or padded with zeros on both sides, the odd cell at the end.
void center_crop_pad(ImportContext& c) {
  const Shape shape = c.shape(0);
  const auto wanted = c.ints(1, "shape");
  auto axes = c.get_ints("axes");
  if (axes.empty()) {
    axes.resize(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (wanted.size() != axes.size())
    throw Unsupported("{} sizes for {} axes", wanted.size(), axes.size());
  Shape starts(shape.size(), 0), ends = shape, pads(2 * shape.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto d = static_cast<size_t>(normalize_axis(axes[i], c.rank(0)));
    if (wanted[i] < 0) throw Unsupported("a size of {}", wanted[i]);
    if (wanted[i] < shape[d]) {
      starts[d] = (shape[d] - wanted[i]) / 2;
      ends[d] = starts[d] + wanted[i];
    } else {
      pads[d] = (wanted[i] - shape[d]) / 2;
      pads[d + shape.size()] = wanted[i] - shape[d] - pads[d];
    }
  }
  ValueId x = c.value(0);
  if (ends != shape)
    x = c.add("Slice", {x},
              {{"starts", starts}, {"ends", ends}, {"steps", Shape(shape.size(), 1)}});
  if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; }))
    x = c.add("Pad", {x}, {{"pads", pads}, {"mode", std::string("constant")}, {"value", 0.0}});
  c.result(x);
}

// The transform of a constant grid of homogeneous coordinates (x, y, [z], 1).
void affine_grid(ImportContext& c) {
  const auto size = c.ints(1, "size");
  const TensorType theta = c.type(0);
  const size_t dims = size.size() - 2;
  if (size.size() < 4 || size.size() > 5 || theta.rank() != 3 ||
      theta.shape != Shape{size[0], static_cast<int64_t>(dims), static_cast<int64_t>(dims) + 1})
    throw Unsupported("theta {} for a grid of {}", to_string(theta), to_string(size));
  const bool corners = c.get_int("align_corners", 0) != 0;
  const Shape plane(size.begin() + 2, size.end());
  for (const int64_t length : plane)
    if (length < 1) throw Unsupported("a grid of {}", to_string(size));
  const int64_t points = element_count(plane);
  if (points > kLargestGrid) throw Unsupported("a grid of {}", to_string(size));
  std::vector<double> grid;
  for (int64_t p = 0; p < points; ++p) {
    int64_t rest = p;
    for (size_t d = dims; d-- > 0; rest /= plane[d]) {
      const auto at = static_cast<double>(rest % plane[d]);
      const auto length = static_cast<double>(plane[d]);
      if (corners)
        grid.push_back(length > 1 ? 2 * at / (length - 1) - 1 : 0);
      else
        grid.push_back((2 * at + 1) / length - 1);
    }
    grid.push_back(1);
  }
  const ValueId base =
      constant_like(c, theta.dtype, {points, static_cast<int64_t>(dims) + 1}, grid);
  const ValueId y = c.add(
      "MatMul", {base, c.value(0)},
      {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{1}}, {"activation", std::string()}});
  Shape made{size[0]};
  made.insert(made.end(), plane.begin(), plane.end());
  made.push_back(static_cast<int64_t>(dims));
  c.result(c.reshape(y, made));
}

// A depthwise convolution that sees the state before its input and nothing after it.
void causal_conv(ImportContext& c) {
  const Shape x = c.shape(0), w = c.shape(1);
  if (x.size() != 3 || w.size() != 3 || w[0] != x[1] || w[1] != 1 || w[2] < 1)
    throw Unsupported("input {} with a weight {}", to_string(x), to_string(w));
  const int64_t before = w[2] - 1;
  ValueId padded = c.value(0);
  if (before > 0) {
    padded = c.has(3) ? c.add("Concat", {c.value(3), padded}, {{"axis", int64_t{2}}})
                      : c.add("Pad", {padded},
                              {{"pads", Shape{0, 0, before, 0, 0, 0}},
                               {"mode", std::string("constant")},
                               {"value", 0.0}});
  }
  std::vector<ValueId> inputs{padded, c.value(1)};
  if (c.has(2)) inputs.push_back(c.value(2));
  const ValueId y = c.add("Conv", inputs,
                          {{"strides", Shape{1}},
                           {"pads", Shape{0, 0}},
                           {"dilations", Shape{1}},
                           {"group", x[1]},
                           {"activation", std::string()}});
  const std::string activation = c.get_string("activation", "none");
  if (activation == "silu" || activation == "swish")
    c.result(c.add("Mul", {y, c.add("Sigmoid", {y})}));
  else if (activation == "none" || activation.empty())
    c.result(y);
  else
    throw Unsupported("activation '{}'", activation);
  if (c.wants(1))
    c.result(c.add("Slice", {padded},
                   {{"starts", Shape{0, 0, x[2]}},
                    {"ends", Shape{x[0], x[1], x[2] + before}},
                    {"steps", Shape{1, 1, 1}}}),
             1);
}

void grid_sample(ImportContext& c) {
  std::string mode = c.get_string("mode", "linear");
  if (mode == "bilinear") mode = "linear";  // the names before opset 20
  if (mode == "bicubic") mode = "cubic";
  c.result(c.add("GridSample", {c.value(0), c.cast(c.value(1), c.type(0).dtype)},
                 {{"mode", mode},
                  {"padding_mode", c.get_string("padding_mode", "zeros")},
                  {"align_corners", int64_t{c.get_int("align_corners", 0) != 0}}}));
}

// weight times the elements of x at `position`, x row-major.
ValueId weighted_elements(ImportContext& c, const std::vector<ValueId>& position_and_weight) {
  const ValueId flat = c.reshape(c.value(0), {c.type(0).elements()});
  const ValueId picked = c.add("Gather", {flat, position_and_weight.at(0)}, {{"axis", int64_t{0}}});
  return c.add("Mul", {picked, position_and_weight.at(1)});
}

void roi_align(ImportContext& c) {
  const std::string shift = c.get_string("coordinate_transformation_mode",
                                         c.opset() < 16 ? "output_half_pixel" : "half_pixel");
  if (shift != "half_pixel" && shift != "output_half_pixel")
    throw Unsupported("coordinate_transformation_mode '{}'", shift);
  const Attributes attributes{
      {"output_shape", Shape{c.get_int("output_height", 1), c.get_int("output_width", 1)}},
      {"sampling_ratio", c.get_int("sampling_ratio", 0)},
      {"spatial_scale", c.get_float("spatial_scale", 1)},
      {"half_pixel", int64_t{shift == "half_pixel"}}};
  const std::string mode = c.get_string("mode", "avg");
  if (mode == "avg")
    c.result(c.add("RoiAlign", c.values(), attributes));
  else if (mode == "max")
    c.result(weighted_elements(c, c.add_all("RoiAlignMaximum", c.values(), attributes)));
  else
    throw Unsupported("mode '{}'", mode);
}

void max_roi_pool(ImportContext& c) {
  c.result(weighted_elements(c, c.add_all("RoiPoolMaximum", c.values(),
                                          {{"output_shape", c.get_ints("pooled_shape")},
                                           {"spatial_scale", c.get_float("spatial_scale", 1)}})));
}

// What each cell of the kernel sees, then one product over cells and channels per group.
void deform_conv(ImportContext& c) {
  const Shape x = c.shape(0), w = c.shape(1), offset = c.shape(2);
  if (w.size() != 4 || offset.size() != 4)
    throw Unsupported("a kernel {} with offsets {}: two dimensions are supported", to_string(w),
                      to_string(offset));
  const Window window = window_of(c, {w[2], w[3]});
  const int64_t group = c.get_int("group", 1);
  if (group < 1 || w[0] % group != 0 || w[1] * group != x[1])
    throw Unsupported("{} channels and a kernel {} in {} groups", x[1], to_string(w), group);
  std::vector<ValueId> inputs{c.value(0), c.value(2)};
  if (c.has(4)) inputs.push_back(c.value(4));
  const ValueId columns = c.add("DeformColumns", inputs,
                                {{"kernel_shape", window.kernel},
                                 {"strides", window.strides},
                                 {"pads", window.pads},
                                 {"dilations", window.dilations},
                                 {"offset_group", c.get_int("offset_group", 1)}});
  const int64_t seen = w[1] * w[2] * w[3], positions = offset[2] * offset[3];
  const ValueId filters = c.reshape(c.value(1), {group, w[0] / group, seen});
  const ValueId grouped = c.reshape(columns, {x[0], group, seen, positions});
  const ValueId product = c.add(
      "MatMul", {filters, grouped},
      {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{0}}, {"activation", std::string()}});
  const ValueId y = c.reshape(product, {x[0], w[0], offset[2], offset[3]});
  c.result(c.has(3) ? c.add("Add", {y, c.reshape(c.value(3), {w[0], 1, 1})}) : y);
}

}  // namespace

std::span<const ImportRule> sampling_rules() {
  static constexpr ImportRule kRules[] = {
      {"Col2Im", col2im},           {"CenterCropPad", center_crop_pad},
      {"AffineGrid", affine_grid},  {"CausalConvWithState", causal_conv},
      {"GridSample", grid_sample},  {"RoiAlign", roi_align},
      {"MaxRoiPool", max_roi_pool}, {"DeformConv", deform_conv},
  };
  return kRules;
}

}  // namespace headrace
