#include <algorithm>
#include <cmath>
#include <numeric>

#include "loader/import/rules.h"
#include "loader/import/window.h"

namespace headrace {
namespace {

struct Pool {
  Window window;
  int64_t ceil_mode = 0;

  Attributes attributes() const {
    return {{"kernel_shape", window.kernel},
            {"strides", window.strides},
            {"pads", window.pads},
            {"dilations", window.dilations},
            {"ceil_mode", ceil_mode}};
  }
};

// auto_pad leaves nothing for ceil_mode to decide.
Pool pool_of(ImportContext& c) {
  auto kernel = c.get_ints("kernel_shape");
  if (kernel.empty()) throw Unsupported("no kernel_shape");
  const bool padded = c.get_string("auto_pad", "NOTSET") != "NOTSET";
  return {window_of(c, std::move(kernel)), padded ? 0 : c.get_int("ceil_mode", 0)};
}

Pool whole_plane(ImportContext& c) {
  const Shape shape = c.shape(0);
  if (shape.size() < 3) throw Unsupported("input {} has no plane to pool", to_string(shape));
  return {window_of(c, {shape.begin() + 2, shape.end()})};
}

// The second output is the place of each maximum in the whole of x.
void max_pool(ImportContext& c) {
  const Pool pool = pool_of(c);
  const auto outputs = c.add_all("MaxPool", {c.value(0)}, pool.attributes());
  c.result(outputs.at(0));
  if (!c.wants(1)) return;
  Attributes attributes = pool.attributes();
  attributes.set("input_shape", c.shape(0));
  attributes.set("column_major", c.get_int("storage_order", 0));
  c.result(c.add("MaxPoolPosition", {outputs.at(1)}, attributes), 1);
}

ValueId average(ImportContext& c, ValueId x, const Pool& pool, int64_t count_include_pad) {
  Attributes attributes = pool.attributes();
  attributes.set("count_include_pad", count_include_pad);
  return c.add("AveragePool", {x}, attributes);
}

void average_pool(ImportContext& c) {
  c.result(average(c, c.value(0), pool_of(c), c.get_int("count_include_pad", 0)));
}

void global_average_pool(ImportContext& c) { c.result(average(c, c.value(0), whole_plane(c), 0)); }

void global_max_pool(ImportContext& c) {
  c.result(c.add("MaxPool", {c.value(0)}, whole_plane(c).attributes()));
}

double order_of(ImportContext& c) {
  const int64_t p = c.get_int("p", 2);
  if (p < 1) throw Unsupported("a norm of order {}", p);
  return static_cast<double>(p);
}

// |x|^p
ValueId power(ImportContext& c, ValueId x, double p) {
  if (p == 2) return c.add("Mul", {x, x});
  const ValueId magnitude = c.add("Abs", {x});
  return p == 1 ? magnitude : c.add("Pow", {magnitude, c.scalar(p, c.type(0).dtype)});
}

ValueId root(ImportContext& c, ValueId x, double p) {
  if (p == 1) return x;
  return p == 2 ? c.add("Sqrt", {x}) : c.add("Pow", {x, c.scalar(1 / p, c.type(0).dtype)});
}

// The root of a sum, which is an average times the number of cells once all windows lie within the
// padding.
void lp_pool(ImportContext& c) {
  Pool pool = pool_of(c);
  const Shape shape = c.shape(0);
  const size_t dims = pool.window.kernel.size();
  double cells = 1;
  for (size_t d = 0; d < dims; ++d) {
    cells *= static_cast<double>(pool.window.kernel[d]);
    int64_t& end = pool.window.pads[d + dims];
    const int64_t room = shape[d + 2] + pool.window.pads[d] + end - pool.window.span(d);
    const int64_t stride = pool.window.strides[d], over = room % stride;
    const bool starts_inside = (room / stride + 1) * stride < shape[d + 2] + pool.window.pads[d];
    if (pool.ceil_mode != 0 && room >= 0 && over != 0 && starts_inside) end += stride - over;
  }
  pool.ceil_mode = 0;
  const double p = order_of(c);
  const ValueId mean = average(c, power(c, c.value(0), p), pool, 1);
  c.result(root(c, c.add("Mul", {mean, c.scalar(cells, c.type(0).dtype)}), p));
}

void global_lp_pool(ImportContext& c) {
  const double p = order_of(c);
  std::vector<int64_t> axes(static_cast<size_t>(std::max<int64_t>(c.rank(0) - 2, 0)));
  std::iota(axes.begin(), axes.end(), 2);
  const ValueId sum =
      c.add("ReduceSum", {power(c, c.value(0), p)}, {{"axes", axes}, {"keepdims", int64_t{1}}});
  c.result(root(c, sum, p));
}

// The mean of squares over neighbouring channels is an average pool over the channel axis.
void lrn(ImportContext& c) {
  const Shape shape = c.shape(0);
  const DType dtype = c.type(0).dtype;
  const int64_t size = c.get_int("size", 0);
  if (shape.size() < 2) throw Unsupported("input {} has no channels", to_string(shape));
  if (size < 1 || size > kLargestWindow) throw Unsupported("a region of {} channels", size);
  const ValueId x = c.value(0);
  const int64_t pixels = element_count(std::span(shape).subspan(2));
  const ValueId columns = c.reshape(c.add("Mul", {x, x}), {shape[0], 1, shape[1], pixels});
  const Window window{.kernel = {size, 1},
                      .strides = {1, 1},
                      .dilations = {1, 1},
                      .pads = {(size - 1) / 2, 0, size / 2, 0}};
  const ValueId mean = c.reshape(average(c, columns, {window}, 1), shape);
  const ValueId scaled = c.add("Mul", {mean, c.scalar(c.get_float("alpha", 1e-4), dtype)});
  const ValueId shifted = c.add("Add", {scaled, c.scalar(c.get_float("bias", 1), dtype)});
  const ValueId exponent = c.scalar(c.get_float("beta", 0.75), dtype);
  c.result(c.add("Div", {x, c.add("Pow", {shifted, exponent})}));
}

// Where two windows put their maximum into one cell, it is the same value, and both hear of the
// cell's gradient.
void max_unpool(ImportContext& c) {
  const Shape shape = c.shape(0);
  const Window window = window_of(c, c.get_ints("kernel_shape"));
  const size_t dims = window.kernel.size();
  Shape made{shape[0], shape[1]};
  for (size_t d = 0; d < dims; ++d) {
    made.push_back((shape[d + 2] - 1) * window.strides[d] + window.kernel[d] - window.pads[d] -
                   window.pads[d + dims]);
    if (made.back() < 1) throw Unsupported("its output would be empty: {}", to_string(made));
  }
  const Shape wanted = c.has(2) ? c.ints(2, "output_shape") : made;
  Shape pads(2 * made.size(), 0);
  if (wanted.size() != made.size())
    throw Unsupported("output_shape {} for {}", to_string(wanted), to_string(made));
  for (size_t d = 0; d < made.size(); ++d) {
    if (wanted[d] < made[d])
      throw Unsupported("output_shape {} is smaller than {}", to_string(wanted), to_string(made));
    pads[made.size() + d] = wanted[d] - made[d];
  }
  const int64_t count = element_count(shape), cells = element_count(made);
  const ValueId zeros = c.add("Expand", {c.scalar(0, c.type(0).dtype)}, {{"shape", Shape{cells}}});
  const ValueId flat = c.add(
      "ScatterElements", {zeros, c.reshape(c.value(1), {count}), c.reshape(c.value(0), {count})},
      {{"axis", int64_t{0}}, {"reduction", std::string("none")}});
  const ValueId y = c.reshape(flat, made);
  if (wanted == made) {
    c.result(y);
  } else {
    c.result(
        c.add("Pad", {y}, {{"pads", pads}, {"mode", std::string("constant")}, {"value", 0.0}}));
  }
}

}  // namespace

std::span<const ImportRule> pooling_rules() {
  static constexpr ImportRule kRules[] = {
      {"MaxPool", max_pool},
      {"AveragePool", average_pool},
      {"LpPool", lp_pool},
      {"GlobalAveragePool", global_average_pool},
      {"GlobalMaxPool", global_max_pool},
      {"GlobalLpPool", global_lp_pool},
      {"LRN", lrn},
      {"MaxUnpool", max_unpool},
  };
  return kRules;
}

}  // namespace headrace
