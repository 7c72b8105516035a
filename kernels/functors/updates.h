#pragma once

#include <cmath>

#include "kernels/functors/isa.h"

// Optimizers, one parameter element at a time. `Step` has the fields of AdamStep, SgdStep and so
// on (kernels/update_steps.h), which carry the rate, the bias corrections and the clipping scale.
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

struct LambMoments {
  float m, v;
};

// LAMB (You et al., arXiv:1904.00962): the moments, and the direction that they and the decay give,
// whose length the parameter's norm settles.
template <typename Step>
HEADRACE_HOST_DEVICE inline LambMoments lamb_moments(float gradient, float m, float v,
                                                     const Step& s) {
  const float g = gradient * s.gradient_scale;
  return {m + s.gradient_share1 * (g - m), s.beta2 * v + s.gradient_share2 * g * g};
}

template <typename Step>
HEADRACE_HOST_DEVICE inline float lamb_direction(float parameter, float m, float v, const Step& s) {
  const float denominator = std::sqrt(v) * s.inv_sqrt_correction + s.epsilon;
  return m * s.inv_correction / denominator + s.weight_decay * parameter;
}

struct OneStateResult {
  float parameter, state;
};

// Lion (Chen et al., arXiv:2302.06675).
template <typename Step>
HEADRACE_HOST_DEVICE inline OneStateResult lion_update(float parameter, float gradient, float m,
                                                       const Step& s) {
  const float g = gradient * s.gradient_scale;
  const float c = m + s.gradient_share1 * (g - m);
  const float sign = static_cast<float>(c > 0) - static_cast<float>(c < 0);
  return {parameter * s.parameter_scale - s.rate * sign, m + s.gradient_share2 * (g - m)};
}

// RMSProp as torch.optim has it; `direction` is what the momentum, if any, is added to.
struct RmspropResult {
  float v, direction;
};

template <typename Step>
HEADRACE_HOST_DEVICE inline RmspropResult rmsprop_direction(float parameter, float gradient,
                                                            float v, const Step& s) {
  const float g = gradient * s.gradient_scale + s.weight_decay * parameter;
  const float next_v = s.beta2 * v + s.gradient_share2 * g * g;
  return {next_v, g / (std::sqrt(next_v) + s.epsilon)};
}

// Adagrad (Duchi et al., JMLR 12, 2011).
template <typename Step>
HEADRACE_HOST_DEVICE inline OneStateResult adagrad_update(float parameter, float gradient,
                                                          float sum, const Step& s) {
  const float g = gradient * s.gradient_scale + s.weight_decay * parameter;
  const float next = sum + g * g;
  return {parameter - s.rate * (g / (std::sqrt(next) + s.epsilon)), next};
}

}  // namespace headrace::HEADRACE_ISA
