#pragma once

#include <cmath>

#include "kernels/functors/isa.h"

// Optimizers, one parameter element at a time. `Step` has the fields of vector::AdamStep or SgdStep
// (kernels/cpu/vector/table.h), which carry the rate, the bias corrections and the clipping scale.
namespace headrace::HEADRACE_ISA {

struct AdamResult {
  float parameter, m, v;
};

// Adam (Kingma and Ba, arXiv:1412.6980) and AdamW (Loshchilov and Hutter, arXiv:1711.05101), in the
// order of operations of torch.optim: decay, moments, step.
template <typename Step>
HEADRACE_HOST_DEVICE inline AdamResult adam_update(float parameter, float gradient, float m,
                                                   float v, const Step& s) {
  const float g = gradient * s.gradient_scale + s.coupled_decay * parameter;
  const float decayed = parameter * s.parameter_scale;
  const float next_m = m + s.gradient_share1 * (g - m);
  const float next_v = s.beta2 * v + s.gradient_share2 * g * g;
  const float denominator = std::sqrt(next_v) * s.inv_sqrt_correction + s.epsilon;
  return {decayed - s.step_size * (next_m / denominator), next_m, next_v};
}

struct SgdResult {
  float parameter, momentum;
};

template <typename Step>
HEADRACE_HOST_DEVICE inline float sgd_update(float parameter, float gradient, const Step& s) {
  const float g = gradient * s.gradient_scale + s.weight_decay * parameter;
  return parameter - s.rate * g;
}

template <typename Step>
HEADRACE_HOST_DEVICE inline SgdResult sgd_momentum_update(float parameter, float gradient,
                                                          float momentum, const Step& s) {
  const float g = gradient * s.gradient_scale + s.weight_decay * parameter;
  const float next = s.momentum_kept * momentum + s.gradient_share * g;
  const float direction = s.nesterov ? g + s.momentum * next : next;
  return {parameter - s.rate * direction, next};
}

}  // namespace headrace::HEADRACE_ISA
