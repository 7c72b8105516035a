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

// proposals.cpp
// Everything row-major.
LayoutProposal propose_row_major(const Context&, const KernelRequest&);
// Values of the output's shape lie as the first of them that is blocked, the others row-major.
LayoutProposal propose_same(const Context&, const KernelRequest&);

}  // namespace headrace::cpu
