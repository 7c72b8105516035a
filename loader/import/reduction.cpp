#include <algorithm>
#include <numeric>

#include "loader/import/rules.h"

namespace headrace {
namespace {

struct Reduction {
  std::vector<int64_t> axes;  // sorted, non-negative
  bool keep = true;
  bool nothing = false;

  Attributes attributes() const { return {{"axes", axes}, {"keepdims", int64_t{keep}}}; }
};

// Axes are an attribute before opset 18 (ReduceSum: 13), an input after.
Reduction reduction_of(ImportContext& c) {
  const int64_t first_with_input = c.op() == "ReduceSum" ? 13 : 18;
  const int64_t rank = c.rank(0);
  Reduction reduction{.axes = {}, .keep = c.get_int("keepdims", 1) != 0};
  if (c.opset() < first_with_input) {
    reduction.axes = c.get_ints("axes");
  } else if (c.has(1)) {
    reduction.axes = c.ints(1, "axes");
  }
  if (reduction.axes.empty()) {
    if (c.get_int("noop_with_empty_axes", 0) != 0) {
      reduction.nothing = true;
      return reduction;
    }
    reduction.axes.resize(static_cast<size_t>(rank));
    std::iota(reduction.axes.begin(), reduction.axes.end(), 0);
  }
  for (int64_t& axis : reduction.axes) axis = normalize_axis(axis, rank);
  std::sort(reduction.axes.begin(), reduction.axes.end());
  reduction.axes.erase(std::unique(reduction.axes.begin(), reduction.axes.end()),
                       reduction.axes.end());
  return reduction;
}

ValueId reduce(ImportContext& c, const std::string& op, ValueId x, const Reduction& reduction) {
  return reduction.nothing ? x : c.add(op, {x}, reduction.attributes());
}

void same_reduction(ImportContext& c) {
  const Reduction reduction = reduction_of(c);
  if (reduction.nothing) {
    c.result(c.operand(0));
  } else if (c.type(0).dtype == DType::boolean) {
    const ValueId numbers = c.cast(c.value(0), DType::u8);
    c.result(c.cast(reduce(c, c.op(), numbers, reduction), DType::boolean));
  } else {
    c.result(reduce(c, c.op(), c.value(0), reduction));
  }
}

void l1(ImportContext& c) {
  c.result(reduce(c, "ReduceSum", c.add("Abs", {c.value(0)}), reduction_of(c)));
}

ValueId square_sum(ImportContext& c) {
  const ValueId x = c.value(0);
  return reduce(c, "ReduceSum", c.add("Mul", {x, x}), reduction_of(c));
}

void sum_square(ImportContext& c) { c.result(square_sum(c)); }
void l2(ImportContext& c) { c.result(c.add("Sqrt", {square_sum(c)})); }

void log_sum(ImportContext& c) {
  c.result(c.add("Log", {reduce(c, "ReduceSum", c.value(0), reduction_of(c))}));
}

// max + log(sum(exp(x - max))); the gradients through the maximum cancel.
void log_sum_exp(ImportContext& c) {
  Reduction reduction = reduction_of(c);
  const ValueId x = c.value(0);
  if (reduction.nothing) {
    c.result(c.add("Log", {c.add("Exp", {x})}));
    return;
  }
  const bool keep = std::exchange(reduction.keep, true);
  const ValueId highest = reduce(c, "ReduceMax", x, reduction);
  const ValueId total =
      reduce(c, "ReduceSum", c.add("Exp", {c.add("Sub", {x, highest})}), reduction);
  const ValueId kept = c.add("Add", {highest, c.add("Log", {total})});
  Shape shape;
  for (int64_t axis = 0; axis < c.rank(0); ++axis) {
    const bool reduced = std::binary_search(reduction.axes.begin(), reduction.axes.end(), axis);
    if (!reduced || keep) shape.push_back(reduced ? 1 : c.shape(0)[static_cast<size_t>(axis)]);
  }
  c.result(c.reshape(kept, shape));
}

}  // namespace

std::span<const ImportRule> reduction_rules() {
  static constexpr ImportRule kRules[] = {
      {"ReduceSum", same_reduction},
      {"ReduceMean", same_reduction},
      {"ReduceMax", same_reduction},
      {"ReduceMin", same_reduction},
      {"ReduceProd", same_reduction},
      {"ReduceL1", l1},
      {"ReduceL2", l2},
      {"ReduceSumSquare", sum_square},
      {"ReduceLogSum", log_sum},
      {"ReduceLogSumExp", log_sum_exp},
  };
  return kRules;
}

}  // namespace headrace
