#include "kernels/update_steps.h"

#include <cmath>

#include "kernels/kernel.h"

namespace headrace {
namespace {

float as_float(double x) { return static_cast<float>(x); }

// 1 - beta^t, t counted from 1.
double correction(double beta, const StepContext& context) {
  return 1 - std::pow(beta, static_cast<double>(context.step + 1));
}

}  // namespace

AdamStep adam_step(const Attributes& a, const StepContext& context) {
  const double beta1 = a.get_float("beta1", 0.9), beta2 = a.get_float("beta2", 0.999);
  const double decay = a.get_float("weight_decay", 0);
  const bool decoupled = a.get_int("decoupled", 0) != 0;
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .beta2 = as_float(beta2),
      .epsilon = as_float(a.get_float("epsilon", 1e-8)),
      .gradient_share1 = as_float(1 - beta1),
      .gradient_share2 = as_float(1 - beta2),
      .coupled_decay = decoupled ? 0.0f : as_float(decay),
      .parameter_scale = decoupled ? as_float(1 - context.learning_rate * decay) : 1.0f,
      .step_size = as_float(context.learning_rate / correction(beta1, context)),
      .inv_sqrt_correction = as_float(1 / std::sqrt(correction(beta2, context))),
  };
}

SgdStep sgd_step(const Attributes& a, const StepContext& context) {
  const double momentum = a.get_float("momentum", 0);
  // In the first step the buffer becomes the gradient itself, without dampening.
  const bool first = context.step == 0;
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .rate = as_float(context.learning_rate),
      .weight_decay = as_float(a.get_float("weight_decay", 0)),
      .momentum = as_float(momentum),
      .momentum_kept = first ? 0.0f : as_float(momentum),
      .gradient_share = first ? 1.0f : as_float(1 - a.get_float("dampening", 0)),
      .nesterov = a.get_int("nesterov", 0) != 0,
  };
}

LambStep lamb_step(const Attributes& a, const StepContext& context) {
  const double beta1 = a.get_float("beta1"), beta2 = a.get_float("beta2");
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .beta2 = as_float(beta2),
      .epsilon = as_float(a.get_float("epsilon")),
      .weight_decay = as_float(a.get_float("weight_decay")),
      .gradient_share1 = as_float(1 - beta1),
      .gradient_share2 = as_float(1 - beta2),
      .inv_correction = as_float(1 / correction(beta1, context)),
      .inv_sqrt_correction = as_float(1 / std::sqrt(correction(beta2, context))),
  };
}

LionStep lion_step(const Attributes& a, const StepContext& context) {
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .rate = as_float(context.learning_rate),
      .gradient_share1 = as_float(1 - a.get_float("beta1")),
      .gradient_share2 = as_float(1 - a.get_float("beta2")),
      .parameter_scale = as_float(1 - context.learning_rate * a.get_float("weight_decay")),
  };
}

RmspropStep rmsprop_step(const Attributes& a, const StepContext& context) {
  const double beta2 = a.get_float("beta2");
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .rate = as_float(context.learning_rate),
      .weight_decay = as_float(a.get_float("weight_decay")),
      .epsilon = as_float(a.get_float("epsilon")),
      .momentum = as_float(a.get_float("momentum")),
      .beta2 = as_float(beta2),
      .gradient_share2 = as_float(1 - beta2),
  };
}

AdagradStep adagrad_step(const Attributes& a, const StepContext& context) {
  return {
      .gradient_scale = as_float(context.gradient_scale),
      .rate = as_float(context.learning_rate),
      .weight_decay = as_float(a.get_float("weight_decay")),
      .epsilon = as_float(a.get_float("epsilon")),
  };
}

}  // namespace headrace
