#pragma once

#include "graph/graph.h"
#include "kernels/kernel.h"

// Layouts of this backend: row-major, and images with their channels last (NHWC, and alike with one
// or three spatial dimensions), which cuDNN's kernels for tensor cores want.
namespace headrace::cuda {

inline constexpr uint16_t kChannelsLast = 1;

// Channels last for three to five dimensions; row-major for all others.
Layout channels_last(const TensorType& type);
// That layout, or row-major, for another value of as many dimensions.
Layout like(const Layout& layout, const TensorType& type);

// The stride of each dimension, in elements.
Shape strides_of(const TensorType& type, const Layout& layout);

// Bytes of `type` from one layout into the other, in host memory.
void convert(const TensorType& type, const Layout& from, const Layout& to, const void* source,
             void* target);

}  // namespace headrace::cuda
