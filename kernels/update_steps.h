#pragma once

// What the optimizers' loops take beside tensors, worked out from the node's attributes and the
// step. Plain numbers, since files that are compiled per instruction set read this.
namespace headrace {

class Attributes;
struct StepContext;

struct AdamStep {
  float gradient_scale, beta2, epsilon;
  float gradient_share1, gradient_share2;  // 1 - beta1 and 1 - beta2, rounded once
  float coupled_decay;                     // added to the gradient, times the parameter (Adam)
  float parameter_scale;                   // 1 - rate times decay (AdamW), else 1
  float step_size;                         // rate / (1 - beta1^t)
  float inv_sqrt_correction;               // 1 / sqrt(1 - beta2^t)
};
struct SgdStep {
  float gradient_scale, rate, weight_decay;
  float momentum;
  float momentum_kept;   // of the old buffer: momentum, or 0 in the first step
  float gradient_share;  // 1 - dampening, or 1 in the first step
  bool nesterov;
};
struct LambStep {
  float gradient_scale, beta2, epsilon, weight_decay;
  float gradient_share1, gradient_share2;     // as Adam's
  float inv_correction, inv_sqrt_correction;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};
struct LionStep {
  float gradient_scale, rate;
  float gradient_share1, gradient_share2;  // 1 - beta1 and 1 - beta2
  float parameter_scale;                   // 1 - rate times decay
};
struct RmspropStep {
  float gradient_scale, rate, weight_decay, epsilon, momentum;
  float beta2, gradient_share2;  // of the mean square; 1 - beta2, rounded once
};
struct AdagradStep {
  float gradient_scale, rate, weight_decay, epsilon;
};

AdamStep adam_step(const Attributes& attributes, const StepContext& context);
SgdStep sgd_step(const Attributes& attributes, const StepContext& context);
LambStep lamb_step(const Attributes& attributes, const StepContext& context);
LionStep lion_step(const Attributes& attributes, const StepContext& context);
RmspropStep rmsprop_step(const Attributes& attributes, const StepContext& context);
AdagradStep adagrad_step(const Attributes& attributes, const StepContext& context);

}  // namespace headrace
