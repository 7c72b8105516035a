#include "loader/import/window.h"

#include <algorithm>

namespace headrace {

std::vector<int64_t> per_dimension(ImportContext& c, const char* name, size_t count,
                                   int64_t fallback) {
  std::vector<int64_t> values = c.get_ints(name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count)
    throw Unsupported("{} has {} numbers where {} are needed", name, values.size(), count);
  return values;
}

Window unpadded_window(ImportContext& c, std::vector<int64_t> kernel) {
  const size_t dims = kernel.size();
  const Shape input = c.shape(0);
  if (input.size() != dims + 2)
    throw Unsupported("input {} with a kernel of {} dimensions", to_string(input), dims);
  Window window{.kernel = std::move(kernel),
                .strides = per_dimension(c, "strides", dims, 1),
                .dilations = per_dimension(c, "dilations", dims, 1),
                .pads = std::vector<int64_t>(2 * dims, 0)};
  for (size_t d = 0; d < dims; ++d) {
    for (const int64_t size : {window.kernel[d], window.strides[d], window.dilations[d]})
      if (size < 1 || size > kLargestWindow)
        throw Unsupported("a kernel, stride or dilation of {}", size);
    if (input[d + 2] > kLargestWindow) throw Unsupported("an image {}", to_string(input));
  }
  return window;
}

Window window_of(ImportContext& c, std::vector<int64_t> kernel) {
  Window window = unpadded_window(c, std::move(kernel));
  const size_t dims = window.kernel.size();
  const Shape input = c.shape(0);
  const std::string mode = c.get_string("auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    window.pads = per_dimension(c, "pads", 2 * dims, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t d = 0; d < dims; ++d) {
      const int64_t size = input[d + 2];
      const int64_t outputs = (size + window.strides[d] - 1) / window.strides[d];
      const int64_t total =
          std::max<int64_t>(0, (outputs - 1) * window.strides[d] + window.span(d) - size);
      const int64_t less = total / 2;
      window.pads[d] = mode == "SAME_UPPER" ? less : total - less;
      window.pads[d + dims] = total - window.pads[d];
    }
  } else if (mode != "VALID") {
    throw Unsupported("auto_pad '{}'", mode);
  }
  return window;
}

}  // namespace headrace
