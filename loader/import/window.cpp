#include <algorithm>

#include "loader/import/rules.h"

namespace headrace {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 30;

// Where a kernel stands over the spatial dimensions of an input.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // pads: all begins, then all ends
};

std::vector<int64_t> per_dimension(ImportContext& c, const char* name, size_t count,
                                   int64_t fallback) {
  std::vector<int64_t> values = c.get_ints(name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count)
    throw Unsupported("{} has {} numbers where {} are needed", name, values.size(), count);
  return values;
}

// auto_pad: SAME_* pads to ceil(input / stride) outputs, the odd cell at the end (UPPER) or the
// beginning (LOWER).
Window window_of(ImportContext& c, std::vector<int64_t> kernel) {
  const size_t dims = kernel.size();
  const Shape input = c.shape(0);
  if (input.size() != dims + 2)
    throw Unsupported("input {} with a kernel of {} dimensions", to_string(input), dims);
  Window window{.kernel = std::move(kernel),
                .strides = per_dimension(c, "strides", dims, 1),
                .dilations = per_dimension(c, "dilations", dims, 1),
                .pads = std::vector<int64_t>(2 * dims, 0)};
  for (size_t d = 0; d < dims; ++d)
    for (const int64_t size : {window.kernel[d], window.strides[d], window.dilations[d]})
      if (size < 1 || size > kLargestSize)
        throw Unsupported("a kernel, stride or dilation of {}", size);
  const std::string mode = c.get_string("auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    window.pads = per_dimension(c, "pads", 2 * dims, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t d = 0; d < dims; ++d) {
      const int64_t size = input[d + 2];
      const int64_t outputs = (size + window.strides[d] - 1) / window.strides[d];
      const int64_t span = (window.kernel[d] - 1) * window.dilations[d] + 1;
      const int64_t total = std::max<int64_t>(0, (outputs - 1) * window.strides[d] + span - size);
      const int64_t less = total / 2;
      window.pads[d] = mode == "SAME_UPPER" ? less : total - less;
      window.pads[d + dims] = total - window.pads[d];
    }
  } else if (mode != "VALID") {
    throw Unsupported("auto_pad '{}'", mode);
  }
  return window;
}

void conv(ImportContext& c) {
  const Shape weight = c.shape(1);
  if (weight.size() < 3) throw Unsupported("a kernel of shape {}", to_string(weight));
  const Window window = window_of(c, {weight.begin() + 2, weight.end()});
  const auto given = c.get_ints("kernel_shape");
  if (!given.empty() && given != window.kernel)
    throw Unsupported("kernel_shape {} differs from the weight's {}", to_string(given),
                      to_string(weight));
  c.result(c.add("Conv", c.values(),
                 {{"strides", window.strides},
                  {"pads", window.pads},
                  {"dilations", window.dilations},
                  {"group", c.get_int("group", 1)},
                  {"activation", std::string()}}));
}

std::vector<int64_t> pool_kernel(ImportContext& c) {
  auto kernel = c.get_ints("kernel_shape");
  if (kernel.empty()) throw Unsupported("no kernel_shape");
  return kernel;
}

ValueId max_pool_of(ImportContext& c, const Window& window, int64_t ceil_mode) {
  return c.add("MaxPool", {c.value(0)},
               {{"kernel_shape", window.kernel},
                {"strides", window.strides},
                {"pads", window.pads},
                {"dilations", window.dilations},
                {"ceil_mode", ceil_mode}});
}

ValueId average_pool_of(ImportContext& c, const Window& window, int64_t ceil_mode, int64_t pad) {
  return c.add("AveragePool", {c.value(0)},
               {{"kernel_shape", window.kernel},
                {"strides", window.strides},
                {"pads", window.pads},
                {"ceil_mode", ceil_mode},
                {"count_include_pad", pad}});
}

void max_pool(ImportContext& c) {
  if (c.wants(1)) throw Unsupported("its second output (indices) is used");
  c.result(max_pool_of(c, window_of(c, pool_kernel(c)), c.get_int("ceil_mode", 0)));
}

void average_pool(ImportContext& c) {
  const Window window = window_of(c, pool_kernel(c));
  if (std::any_of(window.dilations.begin(), window.dilations.end(),
                  [](int64_t d) { return d != 1; }))
    throw Unsupported("dilated average pooling");
  c.result(
      average_pool_of(c, window, c.get_int("ceil_mode", 0), c.get_int("count_include_pad", 0)));
}

Window whole_plane(ImportContext& c) {
  const Shape shape = c.shape(0);
  if (shape.size() < 3) throw Unsupported("input {} has no plane to pool", to_string(shape));
  return window_of(c, {shape.begin() + 2, shape.end()});
}

void global_average_pool(ImportContext& c) { c.result(average_pool_of(c, whole_plane(c), 0, 0)); }
void global_max_pool(ImportContext& c) { c.result(max_pool_of(c, whole_plane(c), 0)); }

constexpr ImportRule kRules[] = {
    {"Conv", conv},
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"GlobalAveragePool", global_average_pool},
    {"GlobalMaxPool", global_max_pool},
};

}  // namespace

std::span<const ImportRule> window_rules() { return kRules; }

}  // namespace headrace
