#include <algorithm>
#include <limits>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

template <typename T>
struct Reduce {
  std::string_view op;
  Sum<T> start;
  Sum<T> (*combine)(Sum<T> so_far, Sum<T> x);
};

template <typename T>
Loop reduce(const KernelRequest& request) {
  using S = Sum<T>;
  using Limits = std::numeric_limits<T>;
  constexpr bool inexact = std::is_floating_point_v<T>;
  static constexpr Reduce<T> reductions[] = {
      {"ReduceSum", 0, [](S a, S x) { return a + x; }},
      {"ReduceMean", 0, [](S a, S x) { return a + x; }},
      {"ReduceProd", 1, [](S a, S x) { return a * x; }},
      {"ReduceMax", inexact ? -Limits::infinity() : Limits::lowest(),
       [](S a, S x) { return a > x || a != a ? a : x; }},
      {"ReduceMin", inexact ? Limits::infinity() : Limits::max(),
       [](S a, S x) { return a < x || a != a ? a : x; }},
  };
  // x's dimensions parted into those that stay and those that are reduced, each with x's strides.
  const Shape& shape = request.input_types[0].shape;
  const Shape strides = row_major_strides(shape);
  const auto& axes = request.node->attributes.get_ints("axes");
  StridedView kept, reduced;
  for (size_t d = 0; d < shape.size(); ++d) {
    const bool reduce_it = std::count(axes.begin(), axes.end(), static_cast<int64_t>(d)) > 0;
    StridedView& view = reduce_it ? reduced : kept;
    view.shape.push_back(shape[d]);
    view.strides.push_back(strides[d]);
  }
  const bool mean = request.node->op == "ReduceMean";
  for (const Reduce<T>& r : reductions) {
    if (r.op != request.node->op) continue;
    return [=, outer = kept.count(), inner = reduced.count()](const KernelArgs& args) {
      const T* x = input<T>(args, 0);
      T* y = output<T>(args, 0);
      for (int64_t o = 0; o < outer; ++o) {
        S value = r.start;
        const T* part = x + kept.offset(o);
        for (int64_t i = 0; i < inner; ++i)
          value = r.combine(value, static_cast<S>(part[reduced.offset(i)]));
        if (mean && (inexact || inner > 0)) value /= static_cast<S>(inner);
        y[o] = static_cast<T>(value);
      }
    };
  }
  return {};
}

}  // namespace

Loop reduction(const KernelRequest& request) {
  if (!request.node->op.starts_with("Reduce")) return {};
  return for_number(request.input_types[0].dtype, [&]<typename T>() { return reduce<T>(request); });
}

}  // namespace headrace::reference
