#pragma once

#include "kernels/cpu/implementation.h"

namespace headrace::cpu {

// A convolution's geometry in oneDNN's terms, from any of the three nodes that belong to it.
struct ConvolutionShape {
  TensorType source, weights, destination;  // as the graph has them
  int64_t groups = 1;
  bool relu = false;
  Shape strides, dilations, pads_begin, pads_end;  // oneDNN's dilations: 0 is a dense kernel

  Shape weights_dims() const;  // [G, M/G, C/G, K...] where groups > 1
};

// `weights` is [M, C/group, K...].
ConvolutionShape convolution_shape(const Node& node, TensorType source, TensorType weights,
                                   TensorType destination);

// The same from a ConvWeightGrad.
ConvolutionShape weight_gradient_shape(const KernelRequest& request);

// The forward primitive with every layout left to oneDNN: its choice of layouts is the one that all
// three nodes of a convolution are built on.
dnnl::convolution_forward::primitive_desc forward_convolution(const ConvolutionShape& shape,
                                                              bool bias);

// As graph_layout and memory_desc (layouts.h), for weights, which oneDNN may see in groups.
Layout graph_weights_layout(const ConvolutionShape& shape, const dnnl::memory::desc& desc);
dnnl::memory::desc weights_desc(const ConvolutionShape& shape, const Layout& layout);

}  // namespace headrace::cpu
