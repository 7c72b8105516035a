#include "kernels/reference/window.h"

namespace headrace::reference {

Window window_of(const Attributes& attributes, const Shape& in, const Shape& out,
                 std::span<const int64_t> kernel) {
  const size_t rank = kernel.size();
  HEADRACE_CHECK(rank >= 1 && rank <= 3 && in.size() == rank + 2 && out.size() == rank + 2);
  const auto& strides = attributes.get_ints("strides");
  const auto& pads = attributes.get_ints("pads");
  Window w;
  for (size_t d = 0; d < rank; ++d) {
    const size_t at = 3 - rank + d;
    w.in[at] = in[2 + d];
    w.out[at] = out[2 + d];
    w.kernel[at] = kernel[d];
    w.stride[at] = strides.at(d);
    w.pad_begin[at] = pads.at(d);
    w.pad_end[at] = pads.at(rank + d);
    if (attributes.has("dilations")) w.dilation[at] = attributes.get_ints("dilations").at(d);
  }
  return w;
}

}  // namespace headrace::reference
