#include <algorithm>
#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/totals.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"

namespace headrace::cuda {
namespace {

enum class Kind : uint8_t { sum, product, least, greatest };

// A NaN comes through the bounds, whatever the order.
template <typename T>
struct Reduced {
  static constexpr int kTotals = 1;
  const T* x;
  Walk<1> kept, reduced;
  Kind kind;

  HEADRACE_HOST_DEVICE double start() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    switch (kind) {
      case Kind::sum:
        return 0;
      case Kind::product:
        return 1;
      case Kind::least:
        return kInfinity;
      default:
        return -kInfinity;
    }
  }
  HEADRACE_HOST_DEVICE double two(double a, double b) const {
    switch (kind) {
      case Kind::sum:
        return a + b;
      case Kind::product:
        return a * b;
      case Kind::least:
        return a < b || a != a ? a : b;
      default:
        return a > b || a != a ? a : b;
    }
  }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t column) const { return place(kept, column); }
  HEADRACE_HOST_DEVICE void add(int64_t origin, int64_t, int64_t k, double (&totals)[1]) const {
    totals[0] = two(totals[0], static_cast<double>(to_f32(x[origin + place(reduced, k)])));
  }
  HEADRACE_HOST_DEVICE static int64_t place(const Walk<1>& walk, int64_t i) {
    int64_t at[1];
    walk.find(i, at);
    return at[0];
  }
};

template <typename T>
struct Squares {
  static constexpr int kTotals = 1;
  const T* x;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t k, double (&totals)[1]) const {
    const auto value = static_cast<double>(to_f32(x[k]));
    totals[0] += value * value;
  }
};

struct Scaled {
  FloatWriter y;
  double factor;
  HEADRACE_HOST_DEVICE void operator()(int64_t column, const double (&totals)[1]) const {
    y.set(column, totals[0] * factor);
  }
};

}  // namespace

Prepared prepare_reduction(const Context& context, const KernelRequest& request) {
  const Node& node = *request.node;
  const TensorType& x = request.input_types[0];
  if (request.output_layouts[0].id != 0) return refuse("makes row-major values");
  if (x.elements() == 0) return refuse("empty");
  const Shape strides = strides_of(x, request.input_layouts[0]);
  const auto& axes = node.attributes.get_ints("axes");
  Shape kept, kept_strides, reduced, reduced_strides;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const bool reduces = std::ranges::count(axes, static_cast<int64_t>(d)) > 0;
    (reduces ? reduced : kept).push_back(x.shape[d]);
    (reduces ? reduced_strides : kept_strides).push_back(strides[d]);
  }
  const auto columns = make_walk(kept, {kept_strides});
  const auto rows = make_walk_in_order(reduced_strides, reduced, {reduced_strides});
  if (!columns || !rows) return refuse("too many dimensions");
  constexpr int64_t kWorthATeam = 32;
  const bool neighbours =
      columns->dims > 0 && columns->stride[0][columns->dims - 1] == 1 && columns->count > 1;
  const Cut cut(columns->count, rows->count, !neighbours && rows->count >= kWorthATeam);
  const Kind kind = node.op == "ReduceProd"  ? Kind::product
                    : node.op == "ReduceMin" ? Kind::least
                    : node.op == "ReduceMax" ? Kind::greatest
                                             : Kind::sum;
  const double factor = node.op == "ReduceMean" ? 1 / static_cast<double>(rows->count) : 1;
  return with_float_type(x.dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, columns = *columns, rows = *rows,
         operands = Operands(request)](const KernelArgs& args) {
          run_totals(queue, cut, Reduced<T>{input<T>(args, 0), columns, rows, kind},
                     Scaled{operands.out(args, 0), factor}, args.workspace);
        },
        -1, cut.bytes(1));
  });
}

Prepared prepare_squared_norm(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Cut cut(1, request.input_types[0].elements(), true);
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request)](const KernelArgs& args) {
          run_totals(queue, cut, Squares<T>{input<T>(args, 0)}, Scaled{operands.out(args, 0), 1},
                     args.workspace);
        },
        -1, cut.bytes(1));
  });
}

}  // namespace headrace::cuda
