#include <algorithm>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Seen around the gathered axis of x: row (o, i) of `inner` elements goes to (o, position).
struct Gathering {
  AxisSplit x;
  int64_t positions;
  DType index_dtype;

  // Negative indices count from the end.
  int64_t row(const IntReader& indices, int64_t position) const {
    const int64_t index = indices[position];
    if (index < -x.length || index >= x.length)
      throw Error("Gather: index {} is outside an axis of {}", index, x.length);
    return index < 0 ? index + x.length : index;
  }
};
Gathering gathering_of(const KernelRequest& request, const Shape& x) {
  const TensorType& indices = request.input_types[1];
  return {split_at(x, request.node->attributes.get_int("axis")), indices.elements(), indices.dtype};
}

Loop gather_forward(const KernelRequest& request) {
  const Gathering g = gathering_of(request, request.input_types[0].shape);
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    return [g](const KernelArgs& args) {
      const IntReader indices(args.inputs[1], g.index_dtype);
      for (int64_t o = 0; o < g.x.outer; ++o)
        for (int64_t p = 0; p < g.positions; ++p)
          std::copy_n(input<T>(args, 0) + (o * g.x.length + g.row(indices, p)) * g.x.inner,
                      g.x.inner, output<T>(args, 0) + (o * g.positions + p) * g.x.inner);
    };
  });
}

template <typename T>
Loop gather_gradient(const KernelRequest& request) {
  const Gathering g = gathering_of(request, request.output_types[0].shape);
  return [g](const KernelArgs& args) {
    const IntReader indices(args.inputs[1], g.index_dtype);
    std::fill_n(output<T>(args, 0), g.x.outer * g.x.length * g.x.inner, T{0});
    for (int64_t o = 0; o < g.x.outer; ++o)
      for (int64_t p = 0; p < g.positions; ++p) {
        const T* dy = input<T>(args, 0) + (o * g.positions + p) * g.x.inner;
        T* dx = output<T>(args, 0) + (o * g.x.length + g.row(indices, p)) * g.x.inner;
        for (int64_t n = 0; n < g.x.inner; ++n) dx[n] += dy[n];
      }
  };
}

}  // namespace

Loop gather(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"Gather", gather_forward},
      {"GatherGrad", by_float<gather_gradient<float>, gather_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
