#include "kernels/cpu/convolution.h"

#include <limits>
#include <optional>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/primitive_kernel.h"

namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;
using ConvolutionForward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

ConvolutionShape shape_of_forward(const KernelRequest& request) {
  return convolution_shape(*request.node, request.input_types[0], request.input_types[1],
                           request.output_types[0]);
}
ConvolutionShape shape_of_input_gradient(const KernelRequest& request) {
  ConvolutionShape shape = convolution_shape(*request.node, request.output_types[0],
                                             request.input_types[1], request.input_types[0]);
  shape.relu = false;  // follows the image that is made here, not the convolution's
  return shape;
}
struct Images {
  Desc source, destination;
};
Images any_images(const ConvolutionShape& s) {
  return {any_desc(s.source.dtype, s.source.shape),
          any_desc(s.destination.dtype, s.destination.shape)};
}
Images row_major_images(const ConvolutionShape& s) {
  return {row_major_desc(s.source.dtype, s.source.shape),
          row_major_desc(s.destination.dtype, s.destination.shape)};
}

// make(images) for the first images that oneDNN has more than plain loops for, else for the first
// that it takes at all. Blocked images may have none where few channels or taps are left; on
// row-major ones it multiplies matrices.
template <typename Make>
auto first_fast(std::initializer_list<Images> candidates, Make make) {
  std::optional<decltype(make(*candidates.begin()))> slow;
  for (const Images& images : candidates) {
    try {
      auto primitive = make(images);
      if (!std::string_view(primitive.impl_info_str()).starts_with("ref")) return primitive;
      if (!slow) slow = primitive;
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
    }
  }
  if (!slow) throw dnnl::error(dnnl_unimplemented, "oneDNN has no such convolution");
  return *slow;
}

BackwardData::primitive_desc backward_data(const ConvolutionShape& s,
                                           const ConvolutionForward::primitive_desc& forward) {
  const Desc weights = any_desc(s.weights.dtype, s.weights_dims());
  return first_fast({{forward.src_desc(), forward.dst_desc()}, any_images(s), row_major_images(s)},
                    [&](const Images& images) {
                      return BackwardData::primitive_desc(
                          engine(), kDirect, images.source, weights, images.destination, s.strides,
                          s.dilations, s.pads_begin, s.pads_end, forward, user_scratchpad());
                    });
}

BackwardWeights::primitive_desc backward_weights(
    const ConvolutionShape& s, bool bias, const ConvolutionForward::primitive_desc& forward) {
  const Desc weights = any_desc(s.weights.dtype, s.weights_dims());
  const Desc bias_desc = bias ? row_major_desc(s.weights.dtype, {s.weights.shape[0]}) : Desc();
  return first_fast(
      {{forward.src_desc(), forward.dst_desc()}, row_major_images(s)}, [&](const Images& images) {
        return BackwardWeights::primitive_desc(
            engine(), kDirect, images.source, weights, bias_desc, images.destination, s.strides,
            s.dilations, s.pads_begin, s.pads_end, forward, user_scratchpad());
      });
}

// What oneDNN's backward convolution has no place for: a bias and ReLU over the image that it made.
class InputGradientKernel : public PrimitiveKernel {
 public:
  InputGradientKernel(const Context& context, const BackwardData::primitive_desc& backward,
                      const KernelRequest& request)
      : PrimitiveKernel(context, BackwardData(backward), backward.scratchpad_desc()),
        bias_(has_input(request, 2)),
        relu_(request.node->attributes.get_string("activation", "") == "relu") {
    const TensorType& image = request.output_types[0];
    channels_ = image.shape[1];
    block_ = channels_side_by_side(image, request.output_layouts[0]);
    HEADRACE_CHECK(block_ > 0, "the layout of {} is not an image's", to_string(image));
    pixels_ = image.elements() / (image.shape[0] * channels_);
    rows_ = image.shape[0] * channels_ / block_;
  }

  void run(const KernelArgs& args) const override {
    PrimitiveKernel::run(args);
    if (!bias_ && !relu_) return;
    const auto* bias = bias_ ? static_cast<const float*>(args.inputs[2]) : nullptr;
    auto* image = static_cast<float*>(args.outputs[0]);
    const float lowest = relu_ ? 0 : -std::numeric_limits<float>::infinity();
    parallel_ranges(rows_, pixels_ * block_, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        float* at = image + row * pixels_ * block_;
        const float* shift = bias ? bias + row * block_ % channels_ : nullptr;
        if (block_ == 1)
          finish(
              at, pixels_, [b = shift ? *shift : 0](int64_t) { return b; }, lowest);
        else
          for (int64_t p = 0; p < pixels_; ++p, at += block_)
            finish(
                at, block_, [shift](int64_t i) { return shift ? shift[i] : 0; }, lowest);
      }
    });
  }

 private:
  template <typename Shift>
  static void finish(float* at, int64_t count, Shift shift, float lowest) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const float y = at[i] + shift(i);
      at[i] = y < lowest ? lowest : y;
    }
  }

  bool bias_, relu_;
  // The image lies as rows_ of [pixels_, block_]: so many channels stand side by side.
  int64_t channels_ = 0, block_ = 1, pixels_ = 0, rows_ = 0;
};

// Empty where oneDNN's f32 convolution can take the request.
std::string convolution_refusal(const KernelRequest& request) {
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (has_input(request, i) && request.input_types[i].dtype != DType::f32) return "not f32";
    if (has_input(request, i) && request.input_types[i].elements() == 0) return "empty";
  }
  const int64_t rank = request.input_types[0].rank();
  if (rank < 3 || rank > 5) return fmt::format("{} spatial dimensions", rank - 2);
  return {};
}

}  // namespace

Shape ConvolutionShape::weights_dims() const {
  Shape dims = weights.shape;
  if (groups > 1) {
    dims[0] /= groups;
    dims.insert(dims.begin(), groups);
  }
  return dims;
}

ConvolutionShape convolution_shape(const Node& node, TensorType source, TensorType weights,
                                   TensorType destination) {
  const Attributes& a = node.attributes;
  const size_t spatial = source.shape.size() - 2;
  ConvolutionShape s;
  s.source = std::move(source);
  s.weights = std::move(weights);
  s.destination = std::move(destination);
  s.groups = a.get_int("group", 1);
  s.relu = a.get_string("activation", "") == "relu";
  s.strides = a.has("strides") ? a.get_ints("strides") : Shape(spatial, 1);
  s.dilations = a.has("dilations") ? a.get_ints("dilations") : Shape(spatial, 1);
  for (int64_t& dilation : s.dilations) --dilation;
  const Shape pads = a.has("pads") ? a.get_ints("pads") : Shape(2 * spatial, 0);
  s.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(spatial));
  s.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(spatial), pads.end());
  return s;
}

ConvolutionShape weight_gradient_shape(const KernelRequest& request) {
  return convolution_shape(*request.node, request.input_types[1], request.output_types[0],
                           request.input_types[0]);
}

ConvolutionForward::primitive_desc forward_convolution(const ConvolutionShape& s, bool bias) {
  dnnl::primitive_attr attributes = user_scratchpad();
  if (s.relu) {
    dnnl::post_ops post;
    post.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
    attributes.set_post_ops(post);
  }
  const DType type = s.source.dtype;
  const Desc weights = any_desc(type, s.weights_dims());
  const Desc bias_desc = bias ? row_major_desc(type, {s.weights.shape[0]}) : Desc();
  return first_fast({any_images(s), row_major_images(s)}, [&](const Images& images) {
    return ConvolutionForward::primitive_desc(
        engine(), dnnl::prop_kind::forward_training, kDirect, images.source, weights, bias_desc,
        images.destination, s.strides, s.dilations, s.pads_begin, s.pads_end, attributes);
  });
}

Layout graph_weights_layout(const ConvolutionShape& shape, const Desc& desc) {
  if (desc.get_padded_dims() != desc.get_dims()) return {};
  return (shape.groups > 1 ? grouped_weights_layout_of(desc) : layout_of(desc)).value_or(Layout{});
}

Desc weights_desc(const ConvolutionShape& shape, const Layout& layout) {
  return shape.groups > 1 ? grouped_weights_desc(shape.weights, layout, shape.groups)
                          : memory_desc(shape.weights, layout);
}

namespace {

Desc weights_lie_as(const ConvolutionShape& shape, const Layout& layout, const Desc& wanted) {
  const auto known = shape.groups > 1 ? grouped_weights_layout_of(wanted) : layout_of(wanted);
  return known == layout ? wanted : weights_desc(shape, layout);
}

}  // namespace

LayoutProposal propose_convolution(const Context& context, const KernelRequest& request) {
  if (!convolution_refusal(request).empty()) return propose_row_major(context, request);
  const ConvolutionShape shape = shape_of_forward(request);
  const bool bias = has_input(request, 2);
  const ConvolutionForward::primitive_desc forward = forward_convolution(shape, bias);
  LayoutProposal proposal = propose_row_major(context, request);
  proposal.inputs[0] = graph_layout(forward.src_desc());
  proposal.inputs[1] = graph_weights_layout(shape, forward.weights_desc());
  proposal.outputs[0] = graph_layout(forward.dst_desc());
  return proposal;
}

LayoutProposal propose_convolution_input_gradient(const Context& context,
                                                  const KernelRequest& request) {
  if (!convolution_refusal(request).empty()) return propose_row_major(context, request);
  const ConvolutionShape shape = shape_of_input_gradient(request);
  const ConvolutionForward::primitive_desc forward = forward_convolution(shape, false);
  LayoutProposal proposal = propose_row_major(context, request);
  proposal.inputs[0] = graph_layout(forward.dst_desc());
  // The weights stay in the form that the forward node reads; the kernel turns them for itself.
  proposal.inputs[1] = request.input_layouts[1];
  proposal.outputs[0] = graph_layout(forward.src_desc());
  return proposal;
}

LayoutProposal propose_convolution_weight_gradient(const Context& context,
                                                   const KernelRequest& request) {
  if (!convolution_refusal(request).empty()) return propose_row_major(context, request);
  const ConvolutionShape shape = weight_gradient_shape(request);
  const ConvolutionForward::primitive_desc forward = forward_convolution(shape, false);
  LayoutProposal proposal = propose_row_major(context, request);
  proposal.inputs[0] = graph_layout(forward.dst_desc());
  proposal.inputs[1] = graph_layout(forward.src_desc());
  proposal.outputs[0] = graph_weights_layout(shape, forward.weights_desc());
  return proposal;
}

Prepared prepare_convolution(const Context& context, const KernelRequest& request) {
  if (std::string why = convolution_refusal(request); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const ConvolutionShape shape = shape_of_forward(request);
  const bool bias = has_input(request, 2);
  const ConvolutionForward::primitive_desc forward = forward_convolution(shape, bias);
  auto kernel = std::make_unique<PrimitiveKernel>(context, ConvolutionForward(forward),
                                                  forward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_SRC,
                     lies_as(shape.source, request.input_layouts[0], forward.src_desc()),
                     forward.src_desc());
  kernel->bind_input(1, DNNL_ARG_WEIGHTS,
                     weights_lie_as(shape, request.input_layouts[1], forward.weights_desc()),
                     forward.weights_desc());
  if (bias) kernel->bind_input(2, DNNL_ARG_BIAS, forward.bias_desc());
  kernel->bind_output(0, DNNL_ARG_DST,
                      lies_as(shape.destination, request.output_layouts[0], forward.dst_desc()),
                      forward.dst_desc());
  return kernel;
}

Prepared prepare_convolution_input_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = convolution_refusal(request); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const ConvolutionShape shape = shape_of_input_gradient(request);
  const auto backward = backward_data(shape, forward_convolution(shape, false));
  auto kernel = std::make_unique<InputGradientKernel>(context, backward, request);
  kernel->bind_input(0, DNNL_ARG_DIFF_DST,
                     lies_as(shape.destination, request.input_layouts[0], backward.diff_dst_desc()),
                     backward.diff_dst_desc());
  kernel->bind_input(1, DNNL_ARG_WEIGHTS,
                     weights_lie_as(shape, request.input_layouts[1], backward.weights_desc()),
                     backward.weights_desc());
  kernel->bind_output(0, DNNL_ARG_DIFF_SRC,
                      lies_as(shape.source, request.output_layouts[0], backward.diff_src_desc()),
                      backward.diff_src_desc());
  return kernel;
}

Prepared prepare_convolution_weight_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = convolution_refusal(request); !why.empty()) return refuse("{}", why);
  const ConvolutionShape shape = weight_gradient_shape(request);
  const bool bias = has_output(request, 1);
  const auto backward = backward_weights(shape, bias, forward_convolution(shape, false));
  auto kernel = std::make_unique<PrimitiveKernel>(context, BackwardWeights(backward),
                                                  backward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_DIFF_DST,
                     lies_as(shape.destination, request.input_layouts[0], backward.diff_dst_desc()),
                     backward.diff_dst_desc());
  kernel->bind_input(1, DNNL_ARG_SRC,
                     lies_as(shape.source, request.input_layouts[1], backward.src_desc()),
                     backward.src_desc());
  kernel->bind_output(
      0, DNNL_ARG_DIFF_WEIGHTS,
      weights_lie_as(shape, request.output_layouts[0], backward.diff_weights_desc()),
      backward.diff_weights_desc(), accumulates(request, 0));
  if (bias) {
    kernel->bind_output(1, DNNL_ARG_DIFF_BIAS, backward.diff_bias_desc(), backward.diff_bias_desc(),
                        accumulates(request, 1));
  }
  return kernel;
}

}  // namespace headrace::cpu
