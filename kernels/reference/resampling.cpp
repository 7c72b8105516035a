#include <utility>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// One axis of a Resample: `from` is the image's side that the table's indices point into.
struct Axis {
  int64_t outer, from, to, inner, taps;
};

// The axes in their order, each seen in an image whose earlier axes are resampled already.
std::vector<Axis> axes_of(const KernelRequest& request, Shape shape) {
  std::vector<Axis> axes;
  size_t input = 1;
  for (const int64_t axis : request.node->attributes.get_ints("axes")) {
    const AxisSplit split = split_at(shape, axis);
    const Shape& table = request.input_types[input].shape;
    axes.push_back({split.outer, split.length, table[0], split.inner, table[1]});
    shape[static_cast<size_t>(axis)] = table[0];
    input += 2;
  }
  return axes;
}

// f(offset in the image that is indexed, offset in the other, weight) for each tap of each element.
template <typename T, typename F>
void for_each_pair(const Axis& a, const int32_t* index, const T* weight, F f) {
  for (int64_t o = 0; o < a.outer; ++o)
    for (int64_t j = 0; j < a.to; ++j)
      for (int64_t t = 0; t < a.taps; ++t) {
        const int64_t i = index[j * a.taps + t];
        if (i < 0 || i >= a.from)
          throw Error("Resample: index {} is outside an axis of {}", i, a.from);
        for (int64_t n = 0; n < a.inner; ++n)
          f(static_cast<size_t>((o * a.from + i) * a.inner + n),
            static_cast<size_t>((o * a.to + j) * a.inner + n), double{weight[j * a.taps + t]});
      }
}

// x, (index, weight)... -> y
template <typename T>
Loop resampling_forward(const KernelRequest& request) {
  return [axes = axes_of(request, request.input_types[0].shape),
          count = request.input_types[0].elements()](const KernelArgs& args) {
    std::vector<double> image(input<T>(args, 0), input<T>(args, 0) + count);
    for (size_t i = 0; i < axes.size(); ++i) {
      std::vector<double> next(static_cast<size_t>(axes[i].outer * axes[i].to * axes[i].inner));
      for_each_pair(axes[i], input<int32_t>(args, 1 + 2 * i), input<T>(args, 2 + 2 * i),
                    [&](size_t from, size_t to, double w) { next[to] += w * image[from]; });
      image = std::move(next);
    }
    for (size_t i = 0; i < image.size(); ++i) output<T>(args, 0)[i] = static_cast<T>(image[i]);
  };
}

// dy, (index, weight)... -> dx
template <typename T>
Loop resampling_gradient(const KernelRequest& request) {
  return [axes = axes_of(request, request.output_types[0].shape),
          count = request.input_types[0].elements()](const KernelArgs& args) {
    std::vector<double> image(input<T>(args, 0), input<T>(args, 0) + count);
    for (size_t i = axes.size(); i-- > 0;) {
      std::vector<double> next(static_cast<size_t>(axes[i].outer * axes[i].from * axes[i].inner));
      for_each_pair(axes[i], input<int32_t>(args, 1 + 2 * i), input<T>(args, 2 + 2 * i),
                    [&](size_t from, size_t to, double w) { next[from] += w * image[to]; });
      image = std::move(next);
    }
    for (size_t i = 0; i < image.size(); ++i) output<T>(args, 0)[i] = static_cast<T>(image[i]);
  };
}

}  // namespace

Loop resampling(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"Resample", by_float<resampling_forward<float>, resampling_forward<double>>},
      {"ResampleGrad", by_float<resampling_gradient<float>, resampling_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
