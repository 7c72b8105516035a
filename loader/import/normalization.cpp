#include <algorithm>
#include <numeric>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// Live (statistics of the batch) when exported so, and again when a model exported for inference is
// trained, unless its running statistics are frozen.
void batch_normalization(ImportContext& c) {
  if (c.opset() < 9 && c.get_int("spatial", 1) != 1)
    throw Unsupported("spatial = 0 (statistics per position)");
  const double epsilon = c.get_float("epsilon", 1e-5);
  const bool exported_live = c.opset() < 14 ? c.wants(1) : c.get_int("training_mode", 0) != 0;
  const bool frozen = c.frozen(3) && c.frozen(4);
  if (!exported_live && (!c.training() || frozen)) {
    c.result(c.add("BatchNormalizationInference", c.values(), {{"epsilon", epsilon}}));
    return;
  }
  const ValueId mean = c.state(3);
  const ValueId variance = c.state(4);
  const auto outputs =
      c.add_all("BatchNormalization", {c.value(0), c.value(1), c.value(2), mean, variance},
                {{"epsilon", epsilon},
                 {"momentum", c.get_float("momentum", 0.9)},
                 {"activation", std::string()}});
  c.set_state(mean, outputs.at(3));
  c.set_state(variance, outputs.at(4));
  c.result(outputs[0]);
  for (const size_t i : {size_t{1}, size_t{2}})
    if (c.wants(i)) c.result(outputs[i + 2], i);
}

std::vector<int64_t> axes_from(int64_t first, int64_t rank) {
  std::vector<int64_t> axes(static_cast<size_t>(rank - first));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

ValueId mean_over(ImportContext& c, ValueId x, const std::vector<int64_t>& axes) {
  return c.add("ReduceMean", {x}, {{"axes", axes}, {"keepdims", int64_t{1}}});
}

ValueId centred(ImportContext& c, ValueId x, const std::vector<int64_t>& axes) {
  return c.add("Sub", {x, mean_over(c, x, axes)});
}

// sqrt(variance + epsilon) over `axes` of what has no mean.
ValueId deviation(ImportContext& c, ValueId x, const std::vector<int64_t>& axes, double epsilon) {
  const ValueId variance = mean_over(c, c.add("Mul", {x, x}), axes);
  return c.add("Sqrt", {c.add("Add", {variance, c.scalar(epsilon, c.type_of(x).dtype)})});
}

// (x - mean) / sqrt(variance + epsilon) over `axes`.
ValueId standardized(ImportContext& c, ValueId x, const std::vector<int64_t>& axes,
                     double epsilon) {
  const ValueId numerator = centred(c, x, axes);
  return c.add("Div", {numerator, deviation(c, numerator, axes, epsilon)});
}

// The same over all axes from `first` on, by the fused operator.
ValueId standardized_from(ImportContext& c, ValueId x, int64_t first, double epsilon) {
  const TensorType type = c.type_of(x);
  if (first >= type.rank()) return standardized(c, x, {}, epsilon);
  auto [ones, bytes] =
      allocate_constant({type.dtype, Shape(type.shape.begin() + first, type.shape.end())});
  const auto count = static_cast<size_t>(ones.type.elements());
  if (type.dtype == DType::f64)
    std::fill_n(reinterpret_cast<double*>(bytes), count, 1.0);
  else if (type.dtype == DType::f32)
    std::fill_n(reinterpret_cast<float*>(bytes), count, 1.0F);
  else
    throw Unsupported("elements of type {}", name_of(type.dtype));
  return c.add("LayerNormalization", {x, c.add_constant(ones)},
               {{"axis", first}, {"epsilon", epsilon}});
}

void layer_normalization(ImportContext& c) {
  if (c.get_int("stash_type", 1) != 1) throw Unsupported("stash_type other than 1 (float)");
  const int64_t axis = c.axis(-1, c.rank(0));
  const double epsilon = c.get_float("epsilon", 1e-5);
  c.result(c.add("LayerNormalization", {c.value(0), c.value(1), c.value(2)},
                 {{"axis", axis}, {"epsilon", epsilon}}));
  if (!c.wants(1) && !c.wants(2)) return;
  // The operator's own statistics are for its gradient and have none themselves.
  const auto axes = axes_from(axis, c.rank(0));
  c.result(mean_over(c, c.value(0), axes), 1);
  c.result(c.add("Reciprocal", {deviation(c, centred(c, c.value(0), axes), axes, epsilon)}), 2);
}

// y = x scale + bias, scale and bias one per channel (axis 1).
ValueId per_channel(ImportContext& c, ValueId x, ValueId scale, ValueId bias) {
  Shape channels(c.type_of(x).shape.size(), 1);
  channels.at(1) = c.type_of(x).shape[1];
  const ValueId scaled = c.add("Mul", {x, c.reshape(scale, channels)});
  return c.add("Add", {scaled, c.reshape(bias, channels)});
}

void instance_normalization(ImportContext& c) {
  const ValueId normal = standardized_from(c, c.value(0), 2, c.get_float("epsilon", 1e-5));
  // A group normalisation that was written as this operator brings ones and zeros.
  if (c.stands_for_none(1, 1) && c.stands_for_none(2, 0)) {
    c.result(normal);
    return;
  }
  c.result(per_channel(c, normal, c.value(1), c.value(2)));
}

// Scale and bias are one per group in opset 18, one per channel since 21.
void group_normalization(ImportContext& c) {
  const Shape shape = c.shape(0);
  const int64_t groups = c.get_int("num_groups", 1);
  if (shape.size() < 2 || groups < 1 || shape[1] % groups != 0)
    throw Unsupported("{} channels do not divide into {} groups", to_string(shape), groups);
  Shape grouped = {shape[0], groups, shape[1] / groups};
  grouped.insert(grouped.end(), shape.begin() + 2, shape.end());
  const ValueId normal =
      standardized_from(c, c.reshape(c.value(0), grouped), 2, c.get_float("epsilon", 1e-5));
  if (c.opset() < 21) {
    c.result(c.reshape(per_channel(c, normal, c.value(1), c.value(2)), shape));
  } else {
    c.result(per_channel(c, c.reshape(normal, shape), c.value(1), c.value(2)));
  }
}

void rms_normalization(ImportContext& c) {
  const ValueId x = c.value(0);
  const auto axes = axes_from(c.axis(-1, c.rank(0)), c.rank(0));
  const ValueId square = mean_over(c, c.add("Mul", {x, x}), axes);
  const ValueId epsilon = c.scalar(c.get_float("epsilon", 1e-5), c.type(0).dtype);
  const ValueId root = c.add("Sqrt", {c.add("Add", {square, epsilon})});
  c.result(c.add("Mul", {c.add("Div", {x, root}), c.value(1)}));
}

void mean_variance_normalization(ImportContext& c) {
  auto axes = c.has_attribute("axes") ? c.get_ints("axes") : std::vector<int64_t>{0, 2, 3};
  for (int64_t& axis : axes) axis = normalize_axis(axis, c.rank(0));
  std::sort(axes.begin(), axes.end());
  // The square of what ONNX adds to the deviation.
  c.result(standardized(c, c.value(0), axes, 1e-18));
}

// x over its norm, and zero where that is zero: there x is divided by 1, so that its gradient stays
// finite.
void lp_normalization(ImportContext& c) {
  const int64_t p = c.get_int("p", 2);
  if (p != 1 && p != 2) throw Unsupported("a norm of order {}", p);
  const ValueId x = c.value(0);
  const DType dtype = c.type(0).dtype;
  const ValueId sum =
      c.add("ReduceSum", {p == 1 ? c.add("Abs", {x}) : c.add("Mul", {x, x})},
            {{"axes", std::vector<int64_t>{c.axis(-1, c.rank(0))}}, {"keepdims", int64_t{1}}});
  const ValueId is_zero = c.add("Equal", {sum, c.scalar(0, dtype)});
  const ValueId safe = c.add("Where", {is_zero, c.scalar(1, dtype), sum});
  c.result(c.add("Div", {x, p == 1 ? safe : c.add("Sqrt", {safe})}));
}

}  // namespace

std::span<const ImportRule> normalization_rules() {
  static constexpr ImportRule kRules[] = {
      {"BatchNormalization", batch_normalization},
      {"LayerNormalization", layer_normalization},
      {"InstanceNormalization", instance_normalization},
      {"GroupNormalization", group_normalization},
      {"RMSNormalization", rms_normalization},
      {"MeanVarianceNormalization", mean_variance_normalization},
      {"LpNormalization", lp_normalization},
  };
  return kRules;
}

}  // namespace headrace
