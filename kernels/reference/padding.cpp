#include <algorithm>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Where position `at` of a padded dimension reads in one of n elements; -1: nowhere, the constant.
int64_t source(int64_t at, int64_t n, const std::string& mode) {
  if (at >= 0 && at < n) return at;
  if (mode == "edge") return std::clamp<int64_t>(at, 0, n - 1);
  if (mode == "wrap") return (at % n + n) % n;
  if (mode == "reflect") {
    if (n == 1) return 0;
    const int64_t period = 2 * (n - 1);
    const int64_t phase = (at % period + period) % period;
    return phase < n ? phase : period - phase;
  }
  return -1;
}

// Per dimension the offset in x of each position of y, or -1.
struct PadMap {
  Shape padded;
  std::vector<std::vector<int64_t>> offsets;

  int64_t offset(int64_t element) const {
    int64_t result = 0;
    for (size_t d = padded.size(); d-- > 0; element /= padded[d]) {
      const int64_t part = offsets[d][static_cast<size_t>(element % padded[d])];
      if (part < 0) return -1;
      result += part;
    }
    return result;
  }
};
PadMap pad_map(const Attributes& attributes, const Shape& x, const Shape& y) {
  const auto& pads = attributes.get_ints("pads");
  const std::string mode = attributes.get_string("mode", "constant");
  const Shape strides = row_major_strides(x);
  PadMap map{y, {}};
  for (size_t d = 0; d < y.size(); ++d) {
    auto& offsets = map.offsets.emplace_back();
    for (int64_t i = 0; i < y[d]; ++i) {
      const int64_t at = source(i - pads[d], x[d], mode);
      offsets.push_back(at < 0 ? -1 : at * strides[d]);
    }
  }
  return map;
}

template <typename T>
Loop pad(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  return [map = pad_map(a, request.input_types[0].shape, request.output_types[0].shape),
          value = static_cast<T>(a.get_float("value", 0)),
          count = request.output_types[0].elements()](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t from = map.offset(i);
      output<T>(args, 0)[i] = from < 0 ? value : input<T>(args, 0)[from];
    }
  };
}

template <typename T>
Loop pad_gradient(const KernelRequest& request) {
  return [map = pad_map(request.node->attributes, request.output_types[0].shape,
                        request.input_types[0].shape),
          count = request.input_types[0].elements(),
          total = request.output_types[0].elements()](const KernelArgs& args) {
    std::fill_n(output<T>(args, 0), total, T{0});
    for (int64_t i = 0; i < count; ++i)
      if (const int64_t to = map.offset(i); to >= 0) output<T>(args, 0)[to] += input<T>(args, 0)[i];
  };
}

}  // namespace

Loop padding(const KernelRequest& request) {
  if (request.node->op == "Pad") {
    const DType dtype = request.input_types.at(0).dtype;
    if (dtype == DType::boolean) return pad<bool>(request);
    return for_number(dtype, [&]<typename T>() { return pad<T>(request); });
  }
  static constexpr Row rows[] = {{"PadGrad", by_float<pad_gradient<float>, pad_gradient<double>>}};
  return make_from(rows, request);
}

}  // namespace headrace::reference
