#include "graph/ops/families.h"
#include "graph/ops/windows.h"

namespace headrace {
namespace {

// GridSample

Shape grid_sample_shape(const Node& node, const TensorType& x, const TensorType& grid) {
  const auto mode = node.attributes.get_string("mode");
  const auto padding = node.attributes.get_string("padding_mode");
  require(mode == "nearest" || mode == "linear" || mode == "cubic", "mode \"{}\" is not known",
          mode);
  require(padding == "zeros" || padding == "border" || padding == "reflection",
          "padding_mode \"{}\" is not known", padding);
  require_float(x);
  const int64_t dims = x.rank() - 2;
  require(dims >= 1 && dims <= 3, "x is {}: one to three spatial dimensions wanted", to_string(x));
  require(grid.dtype == x.dtype && grid.rank() == x.rank() && grid.shape[0] == x.shape[0] &&
              grid.shape.back() == dims,
          "grid is {} beside x {}", to_string(grid), to_string(x));
  for (size_t d = 2; d < x.shape.size(); ++d)
    require(x.shape[d] >= 1, "x is {}: there is nothing to sample", to_string(x));
  Shape shape{x.shape[0], x.shape[1]};
  shape.insert(shape.end(), grid.shape.begin() + 1, grid.shape.end() - 1);
  return shape;
}

Types infer_grid_sample(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  return {{in[0].dtype, grid_sample_shape(node, in[0], in[1])}};
}

Types infer_grid_sample_input_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], {x.dtype, grid_sample_shape(node, x, in[1])});
  return {x};
}

Types infer_grid_sample_grid_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  require_type("dy", in[0], {in[1].dtype, grid_sample_shape(node, in[1], in[2])});
  return {in[2]};
}

Gradients grad_grid_sample(GradContext& g) {
  const ValueId dy = g.output_grad(0), x = g.input(0), grid = g.input(1);
  return per_input(
      g,
      [&] {
        return g.emit("GridSampleInputGrad", {dy, grid}, with_input_shape(g));
      },
      [&] {
        return g.emit("GridSampleGridGrad", {dy, x, grid}, g.attributes());
      });
}

// DeformColumns

TensorType deform_columns(const Node& node, const TensorType& x, TypeSpan offset_and_mask) {
  require_float(x);
  const auto& kernel = node.attributes.get_ints("kernel_shape");
  require(kernel.size() == 2, "a kernel {}: two dimensions wanted", to_string(kernel));
  const Shape made = window_positions(node, x, kernel);
  const int64_t groups = node.attributes.get_int("offset_group"), cells = element_count(kernel);
  require(groups >= 1 && x.shape[1] % groups == 0, "{} channels in {} groups of offsets",
          x.shape[1], groups);
  require_type("offset", offset_and_mask[0],
               {x.dtype, {x.shape[0], groups * cells * 2, made[0], made[1]}});
  if (offset_and_mask.size() > 1)
    require_type("mask", offset_and_mask[1],
                 {x.dtype, {x.shape[0], groups * cells, made[0], made[1]}});
  return {x.dtype, {x.shape[0], x.shape[1] * cells, element_count(made)}};
}

Types infer_deform_columns(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  return {deform_columns(node, in[0], in.subspan(1))};
}

Types infer_deform_columns_input_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], deform_columns(node, x, in.subspan(1)));
  return {x};
}

Types infer_deform_columns_offset_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 4);
  require_type("dy", in[0], deform_columns(node, in[1], in.subspan(2)));
  return {in.begin() + 2, in.end()};
}

Gradients grad_deform_columns(GradContext& g) {
  std::vector<ValueId> beside(g.node().inputs.begin() + 1, g.node().inputs.end());
  Gradients grads(g.input_count(), kNoValue);
  if (g.needs(0)) {
    std::vector<ValueId> inputs{g.output_grad(0)};
    inputs.insert(inputs.end(), beside.begin(), beside.end());
    grads[0] = g.emit("DeformColumnsInputGrad", inputs, with_input_shape(g));
  }
  if (g.needs(1) || g.needs(2)) {
    std::vector<ValueId> inputs{g.output_grad(0), g.input(0)};
    inputs.insert(inputs.end(), beside.begin(), beside.end());
    const auto outputs = g.emit_all("DeformColumnsOffsetGrad", inputs, g.attributes());
    for (size_t i = 0; i < outputs.size(); ++i)
      if (g.needs(i + 1)) grads[i + 1] = outputs[i];
  }
  return grads;
}

// Regions of interest

int64_t regions_of(const TensorType& x, const TensorType& rois, int64_t columns) {
  require_float(x);
  require(x.rank() == 4 && x.shape[2] >= 1 && x.shape[3] >= 1, "x is {}: images wanted",
          to_string(x));
  require(rois.rank() == 2, "rois is {}: [regions, {}] wanted", to_string(rois), columns);
  require_type("rois", rois, {x.dtype, {rois.shape[0], columns}});
  return rois.shape[0];
}

Shape roi_align_shape(const Node& node, const TensorType& x, const TensorType& rois,
                      const TensorType& batch) {
  const int64_t regions = regions_of(x, rois, 4);
  require(!is_float(batch.dtype) && batch.shape == Shape{regions}, "batch is {} beside rois {}",
          to_string(batch), to_string(rois));
  const auto& size = require_ints(node, "output_shape", 2, 1);
  require(node.attributes.get_int("sampling_ratio") >= 0, "sampling_ratio is negative");
  return {regions, x.shape[1], size[0], size[1]};
}

Types infer_roi_align(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  return {{in[0].dtype, roi_align_shape(node, in[0], in[1], in[2])}};
}

Types infer_roi_align_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], {x.dtype, roi_align_shape(node, x, in[1], in[2])});
  return {x};
}

Types infer_roi_align_maximum(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  const Shape shape = roi_align_shape(node, in[0], in[1], in[2]);
  return {{DType::i64, shape}, {in[0].dtype, shape}};
}

Types infer_roi_pool_maximum(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const auto& size = require_ints(node, "output_shape", 2, 1);
  const Shape shape{regions_of(in[0], in[1], 5), in[0].shape[1], size[0], size[1]};
  return {{DType::i64, shape}, {in[0].dtype, shape}};
}

// The regions are taken as given: they have no gradient.
Gradients grad_roi_align(GradContext& g) {
  return per_input(
      g,
      [&] {
        return g.emit("RoiAlignGrad", {g.output_grad(0), g.input(1), g.input(2)},
                      with_input_shape(g));
      },
      no_gradient, no_gradient);
}

// Four pixels, each a multiplication and an addition, per element of the larger image; what else
// there is to a point is shared by the channels.
constexpr int kBilinear = 8;

}  // namespace

std::span<const OpDef> sampling_ops() {
  static constexpr OpDef kOps[] = {
      {"GridSample", infer_grid_sample, grad_grid_sample, cost_per_element<kBilinear>},
      {"GridSampleInputGrad", infer_grid_sample_input_grad, nullptr, cost_per_element<kBilinear>},
      {"GridSampleGridGrad", infer_grid_sample_grid_grad, nullptr, cost_per_element<2 * kBilinear>},
      {"DeformColumns", infer_deform_columns, grad_deform_columns, cost_per_element<kBilinear>},
      {"DeformColumnsInputGrad", infer_deform_columns_input_grad, nullptr,
       cost_per_element<kBilinear>},
      {"DeformColumnsOffsetGrad", infer_deform_columns_offset_grad, nullptr,
       cost_per_element<2 * kBilinear>},
      {"RoiAlign", infer_roi_align, grad_roi_align, cost_per_element<kBilinear>},
      {"RoiAlignGrad", infer_roi_align_grad, nullptr, cost_per_element<kBilinear>},
      {"RoiAlignMaximum", infer_roi_align_maximum, zero_gradient, cost_per_element<kBilinear>},
      {"RoiPoolMaximum", infer_roi_pool_maximum, zero_gradient, cost_per_element<1>},
  };
  return kOps;
}

}  // namespace headrace
