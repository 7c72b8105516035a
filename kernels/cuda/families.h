#pragma once

#include "kernels/cuda/implementation.h"

// This backend's own kernels, by the file that holds them.
namespace headrace::cuda {

// elementwise.cu
Prepared prepare_unary(const Context&, const KernelRequest&);

// proposals.cpp
LayoutProposal propose_row_major(const Context&, const KernelRequest&);
// Values of the output's shape lie as the first of them that has its channels last, the others
// row-major.
LayoutProposal propose_same(const Context&, const KernelRequest&);
// Images and their filters with channels last, whatever else there is row-major.
LayoutProposal propose_channels_last(const Context&, const KernelRequest&);
// As the values lie already, on both sides.
LayoutProposal propose_as_given(const Context&, const KernelRequest&);

}  // namespace headrace::cuda
