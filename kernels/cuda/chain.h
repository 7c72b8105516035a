#pragma once

#include <memory>
#include <span>

#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

// As Device::chains and Device::prepare_chain: elementwise functions and conversions of f32, f16
// and bf16 whose operands lie as their results do, or are single numbers.
bool chains(const KernelRequest& request);
std::unique_ptr<Kernel> prepare_chain(const Context& context, std::span<const ChainLink> links);

}  // namespace headrace::cuda
