#pragma once

#include <functional>
#include <memory>

#include "kernels/kernel.h"

namespace headrace {

// True when the request has a value in f16 or bf16.
bool has_narrow_floats(const KernelRequest& request);

// A node on f16 and bf16 as the same node on f32, in host memory, row-major: what comes in is
// widened, what goes out is rounded. For devices that have no kernel of the narrow types for it.
// `prepare` makes the kernel on f32; null where that accumulates and cannot.
std::unique_ptr<Kernel> prepare_widened(
    const KernelRequest& request,
    const std::function<std::unique_ptr<Kernel>(const KernelRequest&)>& prepare);

// Elements of f16 or bf16 to f32 and back, rounded to the nearest, ties to even.
void widen(DType from, const void* narrow, float* wide, int64_t count);
void narrow(DType to, const float* wide, void* narrow, int64_t count);

}  // namespace headrace
