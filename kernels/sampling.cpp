#include "kernels/sampling.h"

namespace headrace {

PointSampling grid_sampling(const Node& node, const TensorType& x, const TensorType& grid) {
  const Attributes& a = node.attributes;
  const std::string mode = a.get_string("mode"), padding = a.get_string("padding_mode");
  PointSampling s;
  s.dimensions = static_cast<int>(x.rank() - 2);
  s.images = x.shape[0];
  s.channels = x.shape[1];
  s.pixels = element_count(std::span(x.shape).subspan(2));
  s.points = grid.elements() / std::max<int64_t>(1, s.images * s.dimensions);
  for (size_t d = 0; d + 2 < x.shape.size(); ++d) s.lengths[d] = x.shape[d + 2];
  s.grid_taps = {mode == "nearest"  ? portable::Interpolation::nearest
                 : mode == "linear" ? portable::Interpolation::linear
                                    : portable::Interpolation::cubic,
                 padding == "zeros"    ? portable::Beyond::zeros
                 : padding == "border" ? portable::Beyond::border
                                       : portable::Beyond::reflection,
                 a.get_int("align_corners") != 0};
  return s;
}

PointSampling deform_sampling(const Node& node, const TensorType& x, const TensorType& offset) {
  const Attributes& a = node.attributes;
  PointSampling s;
  s.is_grid = false;
  s.groups = a.get_int("offset_group");
  s.images = x.shape[0] * s.groups;
  s.channels = x.shape[1] / s.groups;
  for (size_t d = 0; d < 2; ++d) {
    s.lengths[d] = x.shape[d + 2];
    s.kernel[d] = a.get_ints("kernel_shape")[d];
    s.stride[d] = a.get_ints("strides")[d];
    s.pad[d] = a.get_ints("pads")[d];
    s.dilation[d] = a.get_ints("dilations")[d];
    s.made[d] = offset.shape[d + 2];
  }
  s.pixels = s.lengths[0] * s.lengths[1];
  s.cells = s.kernel[0] * s.kernel[1];
  s.positions = s.made[0] * s.made[1];
  s.points = s.cells * s.positions;
  return s;
}

}  // namespace headrace
