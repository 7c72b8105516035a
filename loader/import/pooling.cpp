#include <algorithm>

#include "loader/import/rules.h"
#include "loader/import/window.h"

namespace headrace {
namespace {

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
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"GlobalAveragePool", global_average_pool},
    {"GlobalMaxPool", global_max_pool},
};

}  // namespace

std::span<const ImportRule> pooling_rules() { return kRules; }

}  // namespace headrace
