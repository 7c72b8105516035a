#include "kernels/cuda/product_plan.h"

namespace headrace::cuda {
namespace {

// One axis of the batch: how far apart its matrices lie, counted in matrices.
struct Axis {
  int64_t length = 1, a = 0, b = 0;
};

// The batch's axes from the outermost in, neighbours in one where they lie like one.
std::vector<Axis> batch_axes(const Shape& a, const Shape& b, const Shape& y) {
  std::vector<Axis> axes;
  int64_t a_step = 1, b_step = 1;
  for (size_t back = 3; back <= y.size(); ++back) {
    const int64_t length = y[y.size() - back];
    const int64_t in_a = back <= a.size() ? a[a.size() - back] : 1;
    const int64_t in_b = back <= b.size() ? b[b.size() - back] : 1;
    const Axis axis{length, in_a == 1 ? 0 : a_step, in_b == 1 ? 0 : b_step};
    a_step *= in_a;
    b_step *= in_b;
    if (length == 1) continue;
    if (!axes.empty() && axis.a == axes.front().a * axes.front().length &&
        axis.b == axes.front().b * axes.front().length)
      axes.front().length *= length;
    else
      axes.insert(axes.begin(), axis);
  }
  return axes;
}

ProductPlan::Factor stored(const TensorType& type, bool transpose) {
  const size_t rank = type.shape.size();
  return {.rows = type.shape[rank - 2], .columns = type.shape[rank - 1], .transpose = transpose};
}

}  // namespace

uint32_t ProductPlan::alignment(int64_t element_bytes, uint32_t most) const {
  uint32_t alignment = most;
  for (const Place& at : places)
    for (const int64_t offset : {at.a, at.b, at.y})
      while (offset * element_bytes % alignment != 0) alignment /= 2;
  return alignment;
}

ProductPlan plan_product(const TensorType& a, bool transpose_a, const TensorType& b,
                         bool transpose_b, const TensorType& y) {
  ProductPlan plan;
  const size_t rank = y.shape.size();
  plan.m = y.shape[rank - 2];
  plan.n = y.shape[rank - 1];
  plan.a = stored(a, transpose_a);
  plan.b = stored(b, transpose_b);
  plan.k = transpose_a ? plan.a.rows : plan.a.columns;
  std::vector<Axis> axes = batch_axes(a.shape, b.shape, y.shape);
  // Rows of all of a's matrices times one b.
  if (axes.size() == 1 && axes[0].a == 1 && axes[0].b == 0 && !transpose_a) {
    plan.m *= axes[0].length;
    plan.a.rows = plan.m;
    axes.clear();
  }
  const int64_t a_matrix = plan.a.rows * plan.a.columns, b_matrix = plan.b.rows * plan.b.columns,
                y_matrix = plan.m * plan.n;
  int64_t inner = 1;
  if (!axes.empty()) {
    inner = axes.back().length;
    plan.batch = static_cast<int32_t>(inner);
    plan.a.stride = axes.back().a * a_matrix;
    plan.b.stride = axes.back().b * b_matrix;
    axes.pop_back();
  }
  int64_t calls = 1;
  for (const Axis& axis : axes) calls *= axis.length;
  for (int64_t call = 0; call < calls; ++call) {
    ProductPlan::Place at{.y = call * inner * y_matrix};
    int64_t rest = call;
    for (size_t d = axes.size(); d-- > 0;) {
      const int64_t i = rest % axes[d].length;
      rest /= axes[d].length;
      at.a += i * axes[d].a * a_matrix;
      at.b += i * axes[d].b * b_matrix;
    }
    plan.places.push_back(at);
  }
  return plan;
}

}  // namespace headrace::cuda
