#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <optional>

#include "graph/graph.h"

namespace headrace::cpu {

// Layout ids on the CPU. An id names one of oneDNN's format tags (a fixed table in layouts.cpp), so
// it depends on nothing but the format; `bytes` then follows from the type. A form whose bytes are
// those of row-major (blocked channels of a 1x1 image) is id 0.

bool has_dnnl_type(DType dtype);
dnnl::memory::data_type dnnl_type(DType dtype);  // f32, f16, bf16, i32, i8, u8 and bool (as u8)

// Row-major with these dimensions; a scalar has one dimension of 1.
dnnl::memory::desc row_major_desc(DType dtype, const Shape& shape);
dnnl::memory::desc any_desc(DType dtype, const Shape& shape);

// How oneDNN sees a value of this type in this layout.
dnnl::memory::desc memory_desc(const TensorType& type, const Layout& layout);
// The layout that `desc` is of, or nothing for a form outside the table.
std::optional<Layout> layout_of(const dnnl::memory::desc& desc);

// The layout that the graph should give a value for which oneDNN wants `desc`: row-major where the
// form pads, since elementwise loops run over all stored elements, or is not in the table.
Layout graph_layout(const dnnl::memory::desc& desc);
// How a value of this layout lies for a primitive that wants `wanted`: as wanted where that is the
// value's layout (one layout may stand for several descriptions of the same bytes).
dnnl::memory::desc lies_as(const TensorType& type, const Layout& layout,
                           const dnnl::memory::desc& wanted);

// layout_of and memory_desc for the weights of a grouped convolution, which oneDNN describes as [G,
// M/G, C/G, K...] and the graph as [M, C/G, K...].
dnnl::memory::desc grouped_weights_desc(const TensorType& type, const Layout& layout,
                                        int64_t groups);
std::optional<Layout> grouped_weights_layout_of(const dnnl::memory::desc& desc);

// This layout for a value of another element type and the same shape.
Layout layout_like(const Layout& layout, const TensorType& type);
// Channels in the blocks that oneDNN's convolutions prefer on this processor (16 with AVX-512, else
// 8) where that pads nothing, else row-major.
Layout blocked_activation(const TensorType& type);
// How many channels (dimension 1) stand side by side behind each pixel of an image: 1 where it lies
// row-major, the block of a blocked form, all of them where channels come last; 0 for a layout that
// is not an image's. The image is then row-major as [N, C / result, pixels, result].
int64_t channels_side_by_side(const TensorType& type, const Layout& layout);
// Elements that a value occupies, padding included.
int64_t stored_elements(const TensorType& type, const Layout& layout);

}  // namespace headrace::cpu
