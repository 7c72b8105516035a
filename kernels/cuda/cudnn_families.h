#pragma once

#include "kernels/cuda/cudnn_graphs.h"
#include "kernels/cuda/implementation.h"

// What cuDNN runs, by the file that asks for it. Each refuses what cuDNN has no place for, or what
// it does not plan for this device; none accumulates.
namespace headrace::cuda {

// cudnn_convolution.cpp
// Of rank four at least: one spatial dimension becomes the second of two, none become two of one.
CudnnTensor cudnn_image(const TensorType&, const Layout&);
Prepared prepare_cudnn_convolution(const Context&, const KernelRequest&);
Prepared prepare_cudnn_convolution_input_gradient(const Context&, const KernelRequest&);
Prepared prepare_cudnn_convolution_weight_gradient(const Context&, const KernelRequest&);

// cudnn_normalization.cpp
Prepared prepare_cudnn_batch_normalization(const Context&, const KernelRequest&);
Prepared prepare_cudnn_batch_normalization_gradient(const Context&, const KernelRequest&);
Prepared prepare_cudnn_layer_normalization(const Context&, const KernelRequest&);
Prepared prepare_cudnn_layer_normalization_gradient(const Context&, const KernelRequest&);

// cudnn_attention.cpp
Prepared prepare_cudnn_attention(const Context&, const KernelRequest&);
Prepared prepare_cudnn_attention_gradient(const Context&, const KernelRequest&);

}  // namespace headrace::cuda
