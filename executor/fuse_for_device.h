#pragma once

#include "graph/passes.h"
#include "kernels/device.h"

namespace headrace {

// The canonical forward graph with the nodes that stand for several others where the device has
// kernels for them (Device::fuses): attention (fuse_attention in graph/passes.h). `products` is the
// dtype that products will have. Runs over the whole graph, before it is differentiated and
// partitioned: the arithmetic is the same however the graph is cut.
ForwardGraph fuse_for_device(ForwardGraph forward, DType products, Device& device);

}  // namespace headrace
