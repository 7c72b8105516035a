#include <algorithm>

#include "loader/import/rules.h"
#include "loader/import/window.h"

namespace headrace {
namespace {

// The spatial dimensions of the weight in input 1.
std::vector<int64_t> kernel_of_weight(ImportContext& c) {
  const Shape weight = c.shape(1);
  if (weight.size() < 3) throw Unsupported("a kernel of shape {}", to_string(weight));
  std::vector<int64_t> kernel(weight.begin() + 2, weight.end());
  const auto given = c.get_ints("kernel_shape");
  if (!given.empty() && given != kernel)
    throw Unsupported("kernel_shape {} differs from the weight's {}", to_string(given),
                      to_string(weight));
  return kernel;
}

Attributes attributes_of(ImportContext& c, const Window& window) {
  return {{"strides", window.strides},
          {"pads", window.pads},
          {"dilations", window.dilations},
          {"group", c.get_int("group", 1)},
          {"activation", std::string()}};
}

void conv(ImportContext& c) {
  const Window window = window_of(c, kernel_of_weight(c));
  c.result(c.add("Conv", c.values(), attributes_of(c, window)));
}

struct TransposedWindow {
  Window window;
  std::vector<int64_t> sizes;  // of the image that is made
};

// What ONNX says of ConvTranspose's pads: given, or such that a wanted size comes out, the odd cell
// at the end for SAME_UPPER and at the beginning else.
TransposedWindow transposed_window_of(ImportContext& c) {
  TransposedWindow result{unpadded_window(c, kernel_of_weight(c)), {}};
  Window& window = result.window;
  const size_t dims = window.kernel.size();
  const Shape input = c.shape(0);
  const auto extra = per_dimension(c, "output_padding", dims, 0);
  const std::string mode = c.get_string("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (!same && mode != "NOTSET" && mode != "VALID") throw Unsupported("auto_pad '{}'", mode);
  auto wanted = c.get_ints("output_shape");
  if (wanted.size() == dims + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != dims)
    throw Unsupported("output_shape {} for {} dimensions", to_string(wanted), dims);
  if (wanted.empty() && mode == "NOTSET") window.pads = per_dimension(c, "pads", 2 * dims, 0);
  for (size_t d = 0; d < dims; ++d) {
    if (extra[d] < 0 || extra[d] > kLargestWindow)
      throw Unsupported("output_padding {}", to_string(extra));
    const int64_t whole = window.strides[d] * (input[d + 2] - 1) + extra[d] + window.span(d);
    if (wanted.empty() && !same) {
      result.sizes.push_back(whole - window.pads[d] - window.pads[d + dims]);
      continue;
    }
    const int64_t size = same && wanted.empty() ? input[d + 2] * window.strides[d] : wanted[d];
    const int64_t total = std::max<int64_t>(0, whole - size);
    const int64_t less = total / 2;
    window.pads[d] = mode == "SAME_UPPER" ? less : total - less;
    window.pads[d + dims] = total - window.pads[d];
    result.sizes.push_back(size);
  }
  return result;
}

// A ConvTranspose is the gradient of the convolution that makes its input out of its output; the
// weight is the same. Cells at the end that no kernel reaches, by a stride or more, are that
// convolution's surplus: they hold the bias alone.
void conv_transpose(ImportContext& c) {
  const auto [window, sizes] = transposed_window_of(c);
  const Shape input = c.shape(0), weight = c.shape(1);
  const size_t dims = sizes.size();
  const int64_t group = c.get_int("group", 1);
  if (input[1] != weight[0])
    throw Unsupported("{} channels with a weight of shape {}", input[1], to_string(weight));
  if (group < 1 || input[1] % group != 0)
    throw Unsupported("{} channels in {} groups", input[1], group);
  Shape made{input[0], weight[1] * group};
  Shape surplus(2 * (dims + 2), 0);
  for (size_t d = 0; d < dims; ++d) {
    const int64_t reached = window.strides[d] * (input[d + 2] - 1) + window.span(d) -
                            window.pads[d] - window.pads[d + dims];
    const int64_t size = std::min(sizes[d], reached + window.strides[d] - 1);
    if (size < 1) throw Unsupported("its output would be empty: {}", to_string(sizes));
    made.push_back(size);
    surplus[dims + 2 + d + 2] = sizes[d] - size;
  }
  Attributes attributes = attributes_of(c, window);
  attributes.set("input_shape", made);
  if (std::all_of(surplus.begin(), surplus.end(), [](int64_t s) { return s == 0; })) {
    c.result(c.add("ConvInputGrad", c.values(), attributes));
    return;
  }
  ValueId y = c.add("ConvInputGrad", {c.value(0), c.value(1)}, attributes);
  y = c.add("Pad", {y}, {{"pads", surplus}, {"mode", std::string("constant")}, {"value", 0.0}});
  if (c.has(2)) {
    Shape channels(dims + 2, 1);
    channels[1] = made[1];
    y = c.add("Add", {y, c.reshape(c.value(2), channels)});
  }
  c.result(y);
}

}  // namespace

std::span<const ImportRule> convolution_rules() {
  static constexpr ImportRule kRules[] = {
      {"Conv", conv},
      {"ConvTranspose", conv_transpose},
  };
  return kRules;
}

}  // namespace headrace
