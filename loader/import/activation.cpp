#include "loader/import/rules.h"

namespace headrace {
namespace {

void same_activation(ImportContext& c) { c.result(c.add(c.op(), {c.value(0)})); }

void leaky_relu(ImportContext& c) {
  c.result(c.add("LeakyRelu", {c.value(0)}, {{"alpha", c.get_float("alpha", 0.01)}}));
}

void elu(ImportContext& c) {
  c.result(c.add("Elu", {c.value(0)}, {{"alpha", c.get_float("alpha", 1)}}));
}

// gamma (x > 0 ? x : alpha (exp(x) - 1))
void selu(ImportContext& c) {
  const ValueId inner =
      c.add("Elu", {c.value(0)}, {{"alpha", c.get_float("alpha", 1.67326319217681884765625)}});
  const ValueId gamma = c.scalar(c.get_float("gamma", 1.05070102214813232421875), c.type(0).dtype);
  c.result(c.add("Mul", {inner, gamma}));
}

// max(0, x) + min(0, alpha (exp(x / alpha) - 1)) = alpha Elu(x / alpha)
void celu(ImportContext& c) {
  const double alpha = c.get_float("alpha", 1);
  const DType dtype = c.type(0).dtype;
  const ValueId scaled = c.add("Mul", {c.value(0), c.scalar(1 / alpha, dtype)});
  const ValueId inner = c.add("Elu", {scaled}, {{"alpha", 1.0}});
  c.result(c.add("Mul", {inner, c.scalar(alpha, dtype)}));
}

// max(0, x) - slope max(0, -x)
void prelu(ImportContext& c) {
  const ValueId x = c.value(0);
  ValueId slope = c.value(1);
  // Before opset 7 a list of slopes belonged to the channels.
  const Shape shape = c.shape(0), slopes = c.shape(1);
  if (shape.size() > 2 && slopes.size() == 1 && slopes[0] > 1 && slopes[0] == shape[1] &&
      slopes[0] != shape.back()) {
    Shape per_channel(shape.size() - 1, 1);
    per_channel[0] = slopes[0];
    slope = c.reshape(slope, per_channel);
  }
  const ValueId negative = c.add("Relu", {c.add("Neg", {x})});
  c.result(c.add("Sub", {c.add("Relu", {x}), c.add("Mul", {negative, slope})}));
}

void hard_sigmoid(ImportContext& c) {
  c.result(c.add("HardSigmoid", {c.value(0)},
                 {{"alpha", c.get_float("alpha", 0.2)}, {"beta", c.get_float("beta", 0.5)}}));
}

void gelu(ImportContext& c) {
  c.result(c.add("Gelu", {c.value(0)}, {{"approximate", c.get_string("approximate", "none")}}));
}

// x sigmoid(alpha x)
ValueId swish_of_first(ImportContext& c) {
  return c.add("Swish", {c.value(0)}, {{"alpha", c.get_float("alpha", 1)}});
}

void swish(ImportContext& c) { c.result(swish_of_first(c)); }
void swiglu(ImportContext& c) { c.result(c.add("Mul", {swish_of_first(c), c.value(1)})); }

// 0 within lambd of 0, beyond it moved towards 0 by bias.
void shrink(ImportContext& c) {
  const ValueId x = c.value(0);
  const DType dtype = c.type(0).dtype;
  const double lambd = c.get_float("lambd", 0.5), bias = c.get_float("bias", 0);
  const ValueId above = c.add("Greater", {x, c.scalar(lambd, dtype)});
  const ValueId below = c.add("Less", {x, c.scalar(-lambd, dtype)});
  const ValueId step = c.scalar(bias, dtype);
  const ValueId lower = c.add("Where", {below, c.add("Add", {x, step}), c.scalar(0, dtype)});
  c.result(c.add("Where", {above, c.add("Sub", {x, step}), lower}));
}

void softsign(ImportContext& c) {
  const ValueId x = c.value(0);
  const ValueId one = c.scalar(1, c.type(0).dtype);
  c.result(c.add("Div", {x, c.add("Add", {one, c.add("Abs", {x})})}));
}

void thresholded_relu(ImportContext& c) {
  const ValueId x = c.value(0);
  const DType dtype = c.type(0).dtype;
  const ValueId above = c.add("Greater", {x, c.scalar(c.get_float("alpha", 1), dtype)});
  c.result(c.add("Where", {above, x, c.scalar(0, dtype)}));
}

// Bounds are attributes before opset 11, inputs after; those that the run computes become Max and
// Min.
void clip(ImportContext& c) {
  const auto computed = [&](size_t input) { return c.has(input) && !c.is_known(input); };
  if (c.opset() >= 11 && (computed(1) || computed(2))) {
    ValueId x = c.value(0);
    if (c.has(1)) x = c.add("Max", {x, c.value(1)});
    if (c.has(2)) x = c.add("Min", {x, c.value(2)});
    c.result(x);
    return;
  }
  Attributes bounds;
  const auto bound = [&](const char* name, size_t input) {
    if (c.opset() < 11 && c.has_attribute(name)) bounds.set(name, c.get_float(name, 0));
    if (c.opset() >= 11 && c.has(input)) bounds.set(name, c.number(input, name));
  };
  bound("min", 1);
  bound("max", 2);
  c.result(c.add("Clip", {c.value(0)}, bounds));
}

// Before opset 13 the input counts as a matrix: dimensions from `axis` on are one row.
void softmax(ImportContext& c) {
  const Shape& shape = c.shape(0);
  const int64_t rank = c.rank(0);
  const int64_t axis = c.axis(c.opset() < 13 ? 1 : -1, rank);
  if (c.opset() >= 13 || axis == rank - 1) {
    c.result(c.add(c.op(), {c.value(0)}, {{"axis", axis}}));
    return;
  }
  const std::span<const int64_t> dims(shape);
  const Shape original = shape;
  const Shape matrix = {element_count(dims.first(static_cast<size_t>(axis))),
                        element_count(dims.subspan(static_cast<size_t>(axis)))};
  const ValueId rows = c.reshape(c.value(0), matrix);
  c.result(c.reshape(c.add(c.op(), {rows}, {{"axis", int64_t{1}}}), original));
}

// An exported inference graph's Dropout is live again in training; otherwise it stays as exported.
void dropout(ImportContext& c) {
  double ratio = c.get_float("ratio", 0.5);
  bool live = c.training();
  if (c.opset() >= 12) {
    ratio = c.has(1) ? c.number(1, "ratio") : 0.5;
    if (c.has(2)) live = live || c.number(2, "training_mode") != 0;
  }
  if (!(ratio >= 0 && ratio < 1)) throw Unsupported("ratio {} is outside of [0, 1)", ratio);
  if (live && ratio > 0) {
    const auto outputs =
        c.add_all("Dropout", {c.value(0)}, {{"ratio", ratio}, {"seed", c.next_dropout()}});
    c.result(outputs[0]);
    if (c.wants(1)) c.result(outputs.at(1), 1);
    return;
  }
  c.result(c.operand(0));
  if (c.wants(1)) {
    const Shape shape = c.shape(0);
    auto [mask, bytes] = allocate_constant({DType::boolean, shape});
    std::fill_n(reinterpret_cast<bool*>(bytes), mask.type.elements(), true);
    c.result(mask, 1);
  }
}

}  // namespace

std::span<const ImportRule> activation_rules() {
  static constexpr ImportRule kRules[] = {
      {"Tanh", same_activation},
      {"Sigmoid", same_activation},
      {"Relu", same_activation},
      {"Softplus", same_activation},
      {"HardSwish", same_activation},
      {"LeakyRelu", leaky_relu},
      {"Elu", elu},
      {"Selu", selu},
      {"Celu", celu},
      {"PRelu", prelu},
      {"Gelu", gelu},
      {"HardSigmoid", hard_sigmoid},
      {"Mish", same_activation},
      {"Swish", swish},
      {"SwiGLU", swiglu},
      {"Shrink", shrink},
      {"Softsign", softsign},
      {"ThresholdedRelu", thresholded_relu},
      {"Clip", clip},
      {"Softmax", softmax},
      {"LogSoftmax", softmax},
      {"Dropout", dropout},
  };
  return kRules;
}

}  // namespace headrace
