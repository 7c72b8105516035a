#include <string>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// The optimizers of ai.onnx.preview.training, written out in plain arithmetic after their
// specification. Inputs: R the rate, T the number of updates so far, then k tensors X, k gradients
// G and the k-fold states; outputs: the new X and states in the same order.
class Optimizer {
 public:
  Optimizer(ImportContext& context, size_t states) : c_(context) {
    const size_t tensors = c_.input_count() - 2;
    if (c_.input_count() < 2 || tensors % (2 + states) != 0)
      throw Unsupported("{} inputs after R and T do not make tensors, gradients and {} states",
                        tensors, states);
    count_ = tensors / (2 + states);
  }

  size_t count() const { return count_; }
  ValueId x(size_t i) { return c_.value(2 + i); }
  ValueId state(size_t which, size_t i) { return c_.value(2 + (2 + which) * count_ + i); }
  DType dtype(size_t i) { return c_.type(2 + i).dtype; }

  // G + norm_coefficient X
  ValueId gradient(size_t i) {
    const ValueId g = c_.value(2 + count_ + i);
    const double norm = c_.get_float("norm_coefficient", 0);
    return norm == 0 ? g : add(g, times(norm, x(i)));
  }
  ValueId rate(size_t i) { return like(c_.value(0), i); }
  ValueId updates(size_t i) { return like(c_.value(1), i); }
  // One of two numbers: before the first update, and later.
  ValueId first_or_later(ValueId first, ValueId later) {
    const ValueId zero = c_.scalar(0, c_.type(1).dtype);
    const ValueId t = c_.reshape(c_.value(1), {});
    return c_.add("Where", {c_.add("Greater", {t, zero}), later, first});
  }

  ValueId number(double value, size_t i) { return c_.scalar(value, dtype(i)); }
  ValueId add(ValueId a, ValueId b) { return c_.add("Add", {a, b}); }
  ValueId subtract(ValueId a, ValueId b) { return c_.add("Sub", {a, b}); }
  ValueId multiply(ValueId a, ValueId b) { return c_.add("Mul", {a, b}); }
  ValueId divide(ValueId a, ValueId b) { return c_.add("Div", {a, b}); }
  ValueId root(ValueId a) { return c_.add("Sqrt", {a}); }
  ValueId times(double factor, ValueId a) {
    return multiply(c_.scalar(factor, c_.type_of(a).dtype), a);
  }

  void result(size_t i, ValueId new_x) { c_.result(new_x, i); }
  void result_state(size_t which, size_t i, ValueId value) {
    c_.result(value, (1 + which) * count_ + i);
  }

 private:
  // R and T hold one number of any rank.
  ValueId like(ValueId one, size_t i) { return c_.cast(c_.reshape(one, {}), dtype(i)); }

  ImportContext& c_;
  size_t count_ = 0;
};

void momentum(ImportContext& c) {
  Optimizer o(c, 1);
  const double alpha = c.get_float("alpha", 0), beta = c.get_float("beta", 0);
  const std::string mode = c.get_string("mode", "standard");
  if (mode != "standard" && mode != "nesterov") throw Unsupported("the mode '{}'", mode);
  for (size_t i = 0; i < o.count(); ++i) {
    const ValueId g = o.gradient(i);
    const ValueId share = o.first_or_later(o.number(1, i), o.number(beta, i));
    const ValueId v = o.add(o.times(alpha, o.state(0, i)), o.multiply(share, g));
    const ValueId direction = mode == "nesterov" ? o.add(g, o.times(alpha, v)) : v;
    o.result(i, o.subtract(o.x(i), o.multiply(o.rate(i), direction)));
    o.result_state(0, i, v);
  }
}

void adagrad(ImportContext& c) {
  Optimizer o(c, 1);
  const double decay = c.get_float("decay_factor", 0), epsilon = c.get_float("epsilon", 1e-6);
  for (size_t i = 0; i < o.count(); ++i) {
    const ValueId g = o.gradient(i);
    const ValueId rate = o.divide(o.rate(i), o.add(o.number(1, i), o.times(decay, o.updates(i))));
    const ValueId h = o.add(o.state(0, i), o.multiply(g, g));
    const ValueId size = o.add(o.root(h), o.number(epsilon, i));
    o.result(i, o.subtract(o.x(i), o.divide(o.multiply(rate, g), size)));
    o.result_state(0, i, h);
  }
}

void adam(ImportContext& c) {
  Optimizer o(c, 2);
  const double alpha = c.get_float("alpha", 0.9), beta = c.get_float("beta", 0.999);
  const double epsilon = c.get_float("epsilon", 1e-6);
  const double norm_after = c.get_float("norm_coefficient_post", 0);
  for (size_t i = 0; i < o.count(); ++i) {
    const ValueId g = o.gradient(i);
    const ValueId v = o.add(o.times(alpha, o.state(0, i)), o.times(1 - alpha, g));
    const ValueId h = o.add(o.times(beta, o.state(1, i)), o.times(1 - beta, o.multiply(g, g)));
    const auto left = [&](double kept) {
      return o.subtract(o.number(1, i), c.add("Pow", {o.number(kept, i), o.updates(i)}));
    };
    const ValueId corrected = o.divide(o.multiply(o.rate(i), o.root(left(beta))), left(alpha));
    const ValueId rate = o.first_or_later(o.rate(i), corrected);
    const ValueId size = o.add(o.root(h), o.number(epsilon, i));
    const ValueId x = o.subtract(o.x(i), o.divide(o.multiply(rate, v), size));
    o.result(i, norm_after == 0 ? x : o.times(1 - norm_after, x));
    o.result_state(0, i, v);
    o.result_state(1, i, h);
  }
}

}  // namespace

std::span<const ImportRule> optimizer_rules() {
  static constexpr ImportRule kRules[] = {
      {"ai.onnx.preview.training::Momentum", momentum},
      {"ai.onnx.preview.training::Adagrad", adagrad},
      {"ai.onnx.preview.training::Adam", adam},
  };
  return kRules;
}

}  // namespace headrace
