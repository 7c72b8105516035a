#include <algorithm>

#include "kernels/cuda/channels.h"
#include "kernels/cuda/cudnn_families.h"
#include "kernels/cuda/cudnn_graphs.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/libraries.h"

// cuDNN takes every convolution that the operators can state: groups, dilations, unequal pads, any
// number of channels, one to three spatial dimensions. Bias and ReLU go into its epilogue; with
// row-major images it has no epilogue for the gradient of the input, nor a ReLU without a bias.
namespace headrace::cuda {
namespace {

using Makes = CudnnConvolution::Makes;

// Empty where cuDNN can be asked.
std::string refusal_of(const KernelRequest& request) {
  const TensorType& first = request.input_types[0];
  if (first.dtype != DType::f32 && first.dtype != DType::f16 && first.dtype != DType::bf16)
    return fmt::format("no {}", name_of(first.dtype));
  if (first.rank() < 3 || first.rank() > 5)
    return fmt::format("{} spatial dimensions", first.rank() - 2);
  for (const auto* types : {&request.input_types, &request.output_types})
    for (const TensorType& type : *types)
      if (type.rank() > 1 && type.elements() == 0) return "empty";
  const Attributes& a = request.node->attributes;
  if (a.has("pads") && std::ranges::min(a.get_ints("pads")) < 0) return "negative pads";
  if (accumulates(request)) return "does not accumulate";
  return {};
}

CudnnConvolution convolution(const Context& context, const Node& node, Makes makes,
                             CudnnTensor source, CudnnTensor weights, CudnnTensor destination) {
  const Attributes& a = node.attributes;
  CudnnConvolution c;
  c.makes = makes;
  c.tf32 = context.tf32 && source.dtype == DType::f32;
  const size_t spatial = source.dims.size() - 2;
  // One dimension stands behind the one that was put in.
  const auto of_each = [&](const char* name, size_t half, size_t halves, int64_t otherwise) {
    Shape all(spatial, otherwise);
    if (!a.has(name)) return all;
    const Shape& stated = a.get_ints(name);
    const auto given = static_cast<std::ptrdiff_t>(stated.size() / halves);
    const auto from = stated.begin() + static_cast<std::ptrdiff_t>(half) * given;
    std::copy(from, from + given, all.end() - given);
    return all;
  };
  c.pads_begin = of_each("pads", 0, 2, 0);
  c.pads_end = of_each("pads", 1, 2, 0);
  c.strides = of_each("strides", 0, 1, 1);
  c.dilations = of_each("dilations", 0, 1, 1);
  c.source = std::move(source);
  c.weights = std::move(weights);
  c.destination = std::move(destination);
  return c;
}

// A convolution or its gradient for the input, which both read an image and the weights.
Prepared prepare_image(const Context& context, const KernelRequest& request, Makes makes) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const CudnnTensor read = cudnn_image(request.input_types[0], request.input_layouts[0]);
  const CudnnTensor weights = cudnn_image(request.input_types[1], request.input_layouts[1]);
  const CudnnTensor made = cudnn_image(request.output_types[0], request.output_layouts[0]);
  const bool forward = makes == Makes::destination;
  CudnnConvolution c = convolution(context, *request.node, makes, forward ? read : made, weights,
                                   forward ? made : read);
  c.bias = has_input(request, 2);
  c.relu = request.node->attributes.get_string("activation", "") == "relu";
  const CudnnAnswer& answer = context.libraries->plans.ask(c);
  if (!answer.plan) return refuse("{}", answer.refusal);
  return make_kernel(
      [plan = answer.plan, handle = context.libraries->cudnn,
       bias = c.bias](const KernelArgs& args) {
        if (bias)
          plan->run(handle, {args.inputs[0], args.inputs[1], args.inputs[2], args.outputs[0]},
                    args.workspace);
        else
          plan->run(handle, {args.inputs[0], args.inputs[1], args.outputs[0]}, args.workspace);
      },
      -1, answer.plan->workspace_bytes());
}

}  // namespace

CudnnTensor cudnn_image(const TensorType& type, const Layout& layout) {
  CudnnTensor tensor{type.dtype, type.shape, strides_of(type, layout)};
  while (tensor.dims.size() < 4) {
    const bool flat = tensor.dims.size() == 2;
    tensor.strides.insert(tensor.strides.begin() + 2,
                          flat ? 1 : tensor.strides[2] * tensor.dims[2]);
    tensor.dims.insert(tensor.dims.begin() + 2, 1);
  }
  return tensor;
}

Prepared prepare_cudnn_convolution(const Context& context, const KernelRequest& request) {
  return prepare_image(context, request, Makes::destination);
}

Prepared prepare_cudnn_convolution_input_gradient(const Context& context,
                                                  const KernelRequest& request) {
  return prepare_image(context, request, Makes::source);
}

// The bias's gradient is no part of any engine: its sums run on their own.
Prepared prepare_cudnn_convolution_weight_gradient(const Context& context,
                                                   const KernelRequest& request) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const CudnnConvolution c =
      convolution(context, *request.node, Makes::weights,
                  cudnn_image(request.input_types[1], request.input_layouts[1]),
                  cudnn_image(request.output_types[0], request.output_layouts[0]),
                  cudnn_image(request.input_types[0], request.input_layouts[0]));
  const CudnnAnswer& answer = context.libraries->plans.ask(c);
  if (!answer.plan) return refuse("{}", answer.refusal);
  const bool bias = has_output(request, 1);
  const ChannelSums sums(request.input_types[0], request.input_layouts[0]);
  const size_t workspace =
      std::max(answer.plan->workspace_bytes(), bias ? sums.workspace_bytes() : 0);
  return make_kernel(
      [plan = answer.plan, handle = context.libraries->cudnn, queue = context.queue, bias,
       sums](const KernelArgs& args) {
        plan->run(handle, {args.inputs[0], args.inputs[1], args.outputs[0]}, args.workspace);
        if (bias) sums.run(queue, args.inputs[0], args.outputs[1], args.workspace);
      },
      -1, workspace);
}

}  // namespace headrace::cuda
