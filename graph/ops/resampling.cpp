#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// The type of the resampled image, given the other and the tables in inputs 1.. of the node.
TensorType resampled(const Node& node, const TensorType& x, TypeSpan in) {
  const auto& axes = node.attributes.get_ints("axes");
  require_inputs(node, 1 + 2 * axes.size());
  require_float(x);
  require(std::is_sorted(axes.begin(), axes.end(), std::less_equal<>()),
          "axes {} are not in ascending order", to_string(axes));
  TensorType y = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    require(axes[i] >= 0 && axes[i] < x.rank(), "axis {} is outside of {}", axes[i], to_string(x));
    const TensorType &index = in[1 + 2 * i], &weight = in[2 + 2 * i];
    require(index.rank() == 2 && index.shape[1] >= 1, "index is {}: [length, taps] wanted",
            to_string(index));
    require_type("index", index, {DType::i32, index.shape});
    require_type("weight", weight, {x.dtype, index.shape});
    y.shape[static_cast<size_t>(axes[i])] = index.shape[0];
  }
  return y;
}

Types infer_resample(const Node& node, TypeSpan in) { return {resampled(node, in[0], in)}; }

Types infer_resample_grad(const Node& node, TypeSpan in) {
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], resampled(node, x, in));
  return {x};
}

Gradients grad_resample(GradContext& g) {
  Attributes attributes = g.attributes();
  attributes.set("input_shape", g.type(g.input(0)).shape);
  std::vector<ValueId> inputs = g.node().inputs;
  inputs[0] = g.output_grad(0);
  Gradients grads(g.input_count(), kNoValue);
  for (size_t i = 1; i < grads.size(); ++i)
    require(!g.needs(i), "node '{}' (Resample): its tables have no gradient", g.node().name);
  grads[0] = g.emit("ResampleGrad", inputs, attributes);
  return grads;
}

// A multiplication and an addition per tap of each axis, over the larger of the images.
Cost cost_resample(const Node& node, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  const auto larger = static_cast<double>(std::max(in[0].elements(), out[0].elements()));
  for (size_t i = 0; i < node.attributes.get_ints("axes").size(); ++i)
    cost.flops += 2 * larger * static_cast<double>(in[1 + 2 * i].shape[1]);
  return cost;
}

}  // namespace

std::span<const OpDef> resampling_ops() {
  static constexpr OpDef kOps[] = {
      {"Resample", infer_resample, grad_resample, cost_resample},
      {"ResampleGrad", infer_resample_grad, nullptr, cost_resample},
  };
  return kOps;
}

}  // namespace headrace
