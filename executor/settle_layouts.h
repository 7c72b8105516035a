#pragma once

#include "graph/autodiff.h"
#include "kernels/device.h"

namespace headrace {

// Decides how every value lies in memory, by what the device's kernels propose, and puts a Reorder
// where a reader wants another layout than the maker's. Value ids stay; node ids change where
// Reorders come in. A parameter lies as its first reader wants it, and its gradients likewise, so
// the update is elementwise. What is fed, and scalars, stay row-major. Runs over the whole graph,
// before it is partitioned: the arithmetic is the same however the graph is cut.
TrainingGraph settle_layouts(TrainingGraph training, Device& device);

}  // namespace headrace
