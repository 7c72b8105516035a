#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/primitive_kernel.h"

namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;
using PoolingForward = dnnl::pooling_forward;
using PoolingBackward = dnnl::pooling_backward;

struct PoolingShape {
  TensorType source, destination;
  dnnl::algorithm algorithm;
  Shape kernel, strides, dilations, pads_begin, pads_end;
  std::string refusal;
};

PoolingShape pooling_shape(const Node& node, const TensorType& source,
                           const TensorType& destination) {
  const Attributes& a = node.attributes;
  PoolingShape s{
      source, destination, dnnl::algorithm::pooling_max, a.get_ints("kernel_shape"), {}, {}, {},
      {},     {}};
  const size_t spatial = s.kernel.size();
  if (source.dtype != DType::f32) s.refusal = "not f32";
  if (spatial < 1 || spatial > 3) s.refusal = fmt::format("{} spatial dimensions", spatial);
  if (source.elements() == 0 || destination.elements() == 0) s.refusal = "empty";
  const bool average = node.op.starts_with("Average");
  const bool counts_pads = a.get_int("count_include_pad", 0) != 0;
  if (average) {
    s.algorithm = counts_pads ? dnnl::algorithm::pooling_avg_include_padding
                              : dnnl::algorithm::pooling_avg_exclude_padding;
  }
  s.strides = a.has("strides") ? a.get_ints("strides") : Shape(spatial, 1);
  s.dilations = a.has("dilations") ? a.get_ints("dilations") : Shape(spatial, 1);
  const Shape pads = a.has("pads") ? a.get_ints("pads") : Shape(2 * spatial, 0);
  for (size_t d = 0; d < spatial; ++d) {
    --s.dilations[d];
    s.pads_begin.push_back(pads[d]);
    // The end that the output's size implies: with ceil_mode it may lie beyond the padding.
    const int64_t reach = (s.kernel[d] - 1) * (s.dilations[d] + 1) + 1;
    const int64_t implied =
        (destination.shape[d + 2] - 1) * s.strides[d] + reach - source.shape[d + 2] - pads[d];
    s.pads_end.push_back(std::max(implied, pads[spatial + d]));
    if (average && counts_pads && implied > pads[spatial + d]) {
      s.refusal = "a window beyond the padding that is counted";
    }
  }
  return s;
}

PoolingForward::primitive_desc forward_pooling(const PoolingShape& s, const Layout& layout,
                                               bool index) {
  return {engine(),
          index ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference,
          s.algorithm,
          memory_desc(s.source, layout),
          any_desc(s.destination.dtype, s.destination.shape),
          s.strides,
          s.kernel,
          s.dilations,
          s.pads_begin,
          s.pads_end,
          user_scratchpad()};
}

// The layout of the image, given that of the small side: blocked channels are taken up again behind
// a pooled image of one pixel, which lies row-major and blocked at once.
Layout image_layout(const TensorType& image, const TensorType& pooled,
                    const Layout& pooled_layout) {
  if (pooled_layout.id != 0) return layout_like(pooled_layout, image);
  int64_t pixels = 1;
  for (size_t d = 2; d < pooled.shape.size(); ++d) pixels *= pooled.shape[d];
  return pixels == 1 ? blocked_activation(image) : Layout{};
}

}  // namespace

LayoutProposal propose_pooling(const Context& context, const KernelRequest& request) {
  LayoutProposal proposal = propose_row_major(context, request);
  const PoolingShape shape =
      pooling_shape(*request.node, request.input_types[0], request.output_types[0]);
  if (!shape.refusal.empty()) return proposal;
  const auto forward = forward_pooling(shape, request.input_layouts[0], false);
  proposal.inputs[0] = request.input_layouts[0];
  proposal.outputs[0] = graph_layout(forward.dst_desc());
  if (has_output(request, 1)) {
    proposal.outputs[1] = layout_like(proposal.outputs[0], request.output_types[1]);
  }
  return proposal;
}

LayoutProposal propose_pooling_gradient(const Context& context, const KernelRequest& request) {
  LayoutProposal proposal = propose_row_major(context, request);
  const PoolingShape shape =
      pooling_shape(*request.node, request.output_types[0], request.input_types[0]);
  if (!shape.refusal.empty()) return proposal;
  // The index of a MaxPool tells how the forward image lay.
  const bool has_index = request.input_types.size() > 1;
  const Layout& pooled = has_index ? request.input_layouts[1] : request.input_layouts[0];
  proposal.outputs[0] = image_layout(shape.source, shape.destination, pooled);
  proposal.inputs[0] = layout_like(pooled, request.input_types[0]);
  if (has_index) proposal.inputs[1] = pooled;
  return proposal;
}

Prepared prepare_pooling(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const PoolingShape shape =
      pooling_shape(*request.node, request.input_types[0], request.output_types[0]);
  if (!shape.refusal.empty()) return refuse("{}", shape.refusal);
  const bool index = has_output(request, 1);
  const auto forward = forward_pooling(shape, request.input_layouts[0], index);
  auto kernel = std::make_unique<PrimitiveKernel>(context, PoolingForward(forward),
                                                  forward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_SRC, forward.src_desc());
  kernel->bind_output(0, DNNL_ARG_DST,
                      lies_as(shape.destination, request.output_layouts[0], forward.dst_desc()),
                      forward.dst_desc());
  if (index) {
    const Desc wanted = forward.workspace_desc();
    kernel->bind_output(1, DNNL_ARG_WORKSPACE,
                        lies_as(request.output_types[1], request.output_layouts[1], wanted),
                        wanted);
  }
  return kernel;
}

Prepared prepare_pooling_gradient(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const PoolingShape shape =
      pooling_shape(*request.node, request.output_types[0], request.input_types[0]);
  if (!shape.refusal.empty()) return refuse("{}", shape.refusal);
  const bool index = request.input_types.size() > 1;
  const Desc image = memory_desc(shape.source, request.output_layouts[0]);
  const auto forward = forward_pooling(shape, request.output_layouts[0], index);
  const PoolingBackward::primitive_desc backward(
      engine(), shape.algorithm, image, forward.dst_desc(), shape.strides, shape.kernel,
      shape.dilations, shape.pads_begin, shape.pads_end, forward, user_scratchpad());
  auto kernel = std::make_unique<PrimitiveKernel>(context, PoolingBackward(backward),
                                                  backward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_DIFF_DST,
                     lies_as(shape.destination, request.input_layouts[0], forward.dst_desc()),
                     forward.dst_desc());
  if (index) {
    const Desc wanted = forward.workspace_desc();
    kernel->bind_input(1, DNNL_ARG_WORKSPACE,
                       lies_as(request.input_types[1], request.input_layouts[1], wanted), wanted);
  }
  kernel->bind_output(0, DNNL_ARG_DIFF_SRC, image);
  return kernel;
}

}  // namespace headrace::cpu
