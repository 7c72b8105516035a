#include "graph/ops/windows.h"

namespace headrace {

Shape window_positions(const Node& node, const TensorType& x, std::span<const int64_t> kernel,
                       bool ceil) {
  const size_t spatial = kernel.size();
  require(x.rank() == static_cast<int64_t>(spatial) + 2, "{} has not the rank of a {}-D window",
          to_string(x), spatial);
  const auto& strides = require_ints(node, "strides", spatial, 1);
  const auto& pads = require_ints(node, "pads", 2 * spatial, 0);
  const Shape ones(spatial, 1);
  const auto& dilations =
      node.attributes.has("dilations") ? require_ints(node, "dilations", spatial, 1) : ones;
  Shape positions(spatial);
  for (size_t d = 0; d < spatial; ++d) {
    require(kernel[d] >= 1, "window {} is empty", to_string(kernel));
    const int64_t size = x.shape[d + 2];
    const int64_t room = size + pads[d] + pads[d + spatial] - dilations[d] * (kernel[d] - 1) - 1;
    require(room >= 0, "a window {} does not fit into {} padded by {}", to_string(kernel),
            to_string(x), to_string(pads));
    positions[d] = room / strides[d] + 1;
    if (ceil && room % strides[d] != 0 && positions[d] * strides[d] < size + pads[d])
      ++positions[d];
  }
  return positions;
}

}  // namespace headrace
