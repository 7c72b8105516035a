#pragma once

#include "kernels/cpu/implementation.h"

// The implementations, by the file that holds them.
namespace headrace::cpu {

// elementwise.cpp
Prepared prepare_unary(const Context&, const KernelRequest&);
Prepared prepare_unary_gradient(const Context&, const KernelRequest&);
// binary.cpp
Prepared prepare_binary(const Context&, const KernelRequest&);
Prepared prepare_logical(const Context&, const KernelRequest&);
Prepared prepare_where(const Context&, const KernelRequest&);
// matmul.cpp
Prepared prepare_matmul(const Context&, const KernelRequest&);

// convolution.cpp
LayoutProposal propose_convolution(const Context&, const KernelRequest&);
LayoutProposal propose_convolution_input_gradient(const Context&, const KernelRequest&);
LayoutProposal propose_convolution_weight_gradient(const Context&, const KernelRequest&);
Prepared prepare_convolution(const Context&, const KernelRequest&);
Prepared prepare_convolution_input_gradient(const Context&, const KernelRequest&);
Prepared prepare_convolution_weight_gradient(const Context&, const KernelRequest&);
// pooling.cpp
LayoutProposal propose_pooling(const Context&, const KernelRequest&);
LayoutProposal propose_pooling_gradient(const Context&, const KernelRequest&);
Prepared prepare_pooling(const Context&, const KernelRequest&);
Prepared prepare_pooling_gradient(const Context&, const KernelRequest&);
// batch_normalization.cpp
LayoutProposal propose_batch_normalization(const Context&, const KernelRequest&);
LayoutProposal propose_batch_normalization_gradient(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_inference(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_gradient(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_inference_gradient(const Context&, const KernelRequest&);
// reorder.cpp
LayoutProposal propose_as_given(const Context&, const KernelRequest&);
Prepared prepare_reorder(const Context&, const KernelRequest&);

// proposals.cpp
// Everything row-major.
LayoutProposal propose_row_major(const Context&, const KernelRequest&);
// Values of the output's shape lie as the first of them that is blocked, the others row-major.
LayoutProposal propose_same(const Context&, const KernelRequest&);

}  // namespace headrace::cpu
