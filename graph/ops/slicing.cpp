#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// Shapes

TensorType sliced(const Node& node, const TensorType& x) {
  const size_t rank = x.shape.size();
  const auto& starts = node.attributes.get_ints("starts");
  const auto& ends = node.attributes.get_ints("ends");
  const auto& steps = node.attributes.get_ints("steps");
  require(starts.size() == rank && ends.size() == rank && steps.size() == rank,
          "starts {}, ends {}, steps {} are not of the rank of {}", to_string(starts),
          to_string(ends), to_string(steps), to_string(x));
  TensorType out = x;
  for (size_t d = 0; d < rank; ++d) {
    const int64_t size = x.shape[d], step = steps[d];
    const bool forward = step > 0 && starts[d] >= 0 && starts[d] <= size && ends[d] <= size;
    const bool backward = step < 0 && starts[d] < size && starts[d] >= -1 && ends[d] >= -1;
    require(forward || backward, "slice {}:{}:{} leaves axis {} of {}", starts[d], ends[d], step, d,
            to_string(x));
    const int64_t span = step > 0 ? ends[d] - starts[d] : starts[d] - ends[d];
    out.shape[d] = span <= 0 ? 0 : (span + std::abs(step) - 1) / std::abs(step);
  }
  return out;
}

Types infer_slice(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  return {sliced(node, in[0])};
}

Types infer_slice_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], sliced(node, x));
  return {x};
}

TensorType padded(const Node& node, const TensorType& x) {
  const size_t rank = x.shape.size();
  const auto& pads = node.attributes.get_ints("pads");
  const auto mode = node.attributes.get_string("mode", "constant");
  require(pads.size() == 2 * rank, "pads {} are not twice the rank of {}", to_string(pads),
          to_string(x));
  require(mode == "constant" || mode == "reflect" || mode == "edge" || mode == "wrap",
          "mode \"{}\" is not known", mode);
  TensorType out = x;
  for (size_t d = 0; d < rank; ++d) {
    out.shape[d] += pads[d] + pads[d + rank];
    require(out.shape[d] >= 0, "pads {} crop more than {} has", to_string(pads), to_string(x));
    const int64_t widest = std::max(pads[d], pads[d + rank]);
    require(mode != "reflect" || widest < std::max<int64_t>(x.shape[d], 1),
            "pads {} reflect past the end of {}", to_string(pads), to_string(x));
    require(mode == "constant" || x.shape[d] > 0 || out.shape[d] == 0,
            "{} has nothing to pad with in axis {}", to_string(x), d);
  }
  return out;
}

Types infer_pad(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  return {padded(node, in[0])};
}

Types infer_pad_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], padded(node, x));
  return {x};
}

TensorType gathered(const Node& node, const TensorType& x, const TensorType& indices) {
  const int64_t axis = require_axis(node, x);
  require(indices.dtype == DType::i64 || indices.dtype == DType::i32,
          "indices are {}, i32 or i64 wanted", to_string(indices));
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  return {x.dtype, std::move(shape)};
}

Types infer_gather(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  return {gathered(node, in[0], in[1])};
}

Types infer_gather_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_type("dy", in[0], gathered(node, x, in[1]));
  return {x};
}

// Gradients

Gradients grad_slice(GradContext& g) {
  return {g.emit("SliceGrad", {g.output_grad(0)}, with_input_shape(g))};
}

Gradients grad_pad(GradContext& g) {
  return {g.emit("PadGrad", {g.output_grad(0)}, with_input_shape(g))};
}

Gradients grad_gather_slices(GradContext& g) {
  return per_input(
      g,
      [&] {
        return g.emit("GatherGrad", {g.output_grad(0), g.input(1)}, with_input_shape(g));
      },
      no_gradient);
}

// Costs: of a large x only the part that is read or written counts.

Cost cost_slice(const Node&, TypeSpan, TypeSpan out) { return traffic(out, out); }

Cost cost_gather_slices(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(out, out);
  cost.bytes += static_cast<double>(in[1].bytes());
  return cost;
}

Cost cost_gather_slices_grad(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(in[0].elements());
  cost.bytes += static_cast<double>(in[0].bytes());
  return cost;
}

}  // namespace

std::span<const OpDef> slicing_ops() {
  static constexpr OpDef kOps[] = {
      {"Slice", infer_slice, grad_slice, cost_slice},
      {"SliceGrad", infer_slice_grad, nullptr, cost_per_element<0>},
      {"Pad", infer_pad, grad_pad, cost_per_element<0>},
      {"PadGrad", infer_pad_grad, nullptr, cost_per_element<1>},
      {"Gather", infer_gather, grad_gather_slices, cost_gather_slices},
      {"GatherGrad", infer_gather_grad, nullptr, cost_gather_slices_grad},
  };
  return kOps;
}

}  // namespace headrace
