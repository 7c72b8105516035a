#pragma once

#include <memory>

#include "kernels/kernel.h"

namespace headrace {

// The plain loops that every other kernel is measured against: row-major layouts, one thread, sums
// in double. Float operators take f32 and f64; statistics and losses, which are f32 in the graph,
// may be f64 in a request. Any float output may be accumulated.
//
// Null where the dtypes, a layout or the operator have no loop here. The kernel keeps no reference
// to the request.
std::unique_ptr<Kernel> prepare_reference(const KernelRequest& request);

}  // namespace headrace
